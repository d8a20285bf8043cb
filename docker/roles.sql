-- Run once, as the superuser, when the cluster is made: the roles and the database of docs/operations.md.
\set ON_ERROR_STOP on
\set owner_password `cat /keys/database-owner/password`
\set password `cat /keys/database/password`

CREATE ROLE dualtoken_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE dualtoken LOGIN PASSWORD :'password';
CREATE DATABASE dualtoken OWNER dualtoken_owner;
REVOKE ALL ON DATABASE dualtoken FROM PUBLIC;
GRANT CONNECT ON DATABASE dualtoken TO dualtoken;
