-- Its indexes go with it.
DROP TABLE idempotency_keys;
