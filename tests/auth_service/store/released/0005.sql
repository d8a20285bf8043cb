INSERT INTO users (id, username, email, scope, password_hash, created_at, disabled_at)
VALUES ('u-1', 'zs', 'zs@example.org', 'read write', '$argon2id$v=19$stored', 1700000000000, NULL);
INSERT INTO users (id, username, email, scope, password_hash, created_at, disabled_at)
VALUES ('u-2', '李四', 'ls@example.org', '', '$argon2id$v=19$other', 1700000000000, 1700000000005);
INSERT INTO sessions (id, user_id, generation, skipped, batch, rotated_at, idempotency_digest, created_at, expires_at, revoked_at, revoked_reason, user_agent, ip)
VALUES ('AAAAAAAAAAAAAAAAAAAAAA', 'u-1', 7, 0, 42, 1700000001000, 'digest', 1700000000000, 1702592000000, NULL, NULL, 'curl/8', '127.0.0.1');
INSERT INTO sessions (id, user_id, generation, skipped, batch, rotated_at, idempotency_digest, created_at, expires_at, revoked_at, revoked_reason, user_agent, ip)
VALUES ('AQEBAQEBAQEBAQEBAQEBAQ', 'u-2', 4294967295, 2, 9223372036854775807, 1700000001000, NULL, 1700000000000, 1702592000000, 1700000000005, 'user_disabled', '', '::1');
