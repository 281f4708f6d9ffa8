-- What an actor has asked for under a key of their own choice, so that asking again gives the same answer. Written in
-- the transaction that did it: only what was done has a row. The answer is rendered again from the binding, whose
-- decision never changes; a stored body would copy its note. The one table rows leave: after a day.
CREATE TABLE idempotency_keys (
    workspace_id    BLOB NOT NULL,
    acting_user_id  BLOB NOT NULL,
    idempotency_key TEXT NOT NULL,
    operation       TEXT NOT NULL,
    request_sha256  TEXT NOT NULL,
    binding_id      BLOB NOT NULL,
    created_at      TEXT NOT NULL,
    CONSTRAINT pk_idempotency PRIMARY KEY (workspace_id, acting_user_id, idempotency_key),
    CONSTRAINT fk_idempotency_membership
        FOREIGN KEY (workspace_id, acting_user_id)
        REFERENCES workspace_memberships (workspace_id, user_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    -- Looked at when the transaction ends: a key is claimed before the binding is written.
    CONSTRAINT fk_idempotency_binding
        FOREIGN KEY (workspace_id, binding_id)
        REFERENCES provider_resource_bindings (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT ck_idempotency_ids CHECK (
        length(workspace_id) = 16
        AND length(acting_user_id) = 16
        AND length(binding_id) = 16),
    CONSTRAINT ck_idempotency_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_idempotency_key CHECK (length(CAST(idempotency_key AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_idempotency_operation CHECK (
        operation IN ('binding.create', 'binding.supersede', 'binding.revoke')),
    CONSTRAINT ck_idempotency_request_sha256 CHECK (
        length(request_sha256) = 64 AND request_sha256 NOT GLOB '*[^0-9a-f]*')
) STRICT;
CREATE INDEX ix_idempotency_created
    ON idempotency_keys (workspace_id, created_at);
CREATE INDEX ix_idempotency_binding
    ON idempotency_keys (workspace_id, binding_id);
CREATE TRIGGER tr_idempotency_key_frozen BEFORE UPDATE OF
    workspace_id, acting_user_id, idempotency_key
    ON idempotency_keys
BEGIN SELECT RAISE(ABORT, 'idempotency_keys: its key does not change'); END;
