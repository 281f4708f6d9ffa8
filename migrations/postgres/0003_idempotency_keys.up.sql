-- What an actor has asked for under a key of their own choice, so that asking again gives the same answer. Written in
-- the transaction that did it: only what was done has a row. The answer is rendered again from the binding, whose
-- decision never changes; a stored body would copy its note. The one table rows leave: after a day.
CREATE TABLE idempotency_keys (
    workspace_id    uuid NOT NULL,
    acting_user_id  uuid NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    operation       text COLLATE "C" NOT NULL,
    request_sha256  text COLLATE "C" NOT NULL,
    binding_id      uuid NOT NULL,
    created_at      timestamptz NOT NULL,
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
    CONSTRAINT ck_idempotency_key CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
    CONSTRAINT ck_idempotency_operation CHECK (
        operation IN ('binding.create', 'binding.supersede', 'binding.revoke')),
    CONSTRAINT ck_idempotency_request_sha256 CHECK (request_sha256 ~ '^[0-9a-f]{64}$')
);
CREATE INDEX ix_idempotency_created
    ON idempotency_keys (workspace_id, created_at);
CREATE INDEX ix_idempotency_binding
    ON idempotency_keys (workspace_id, binding_id);
