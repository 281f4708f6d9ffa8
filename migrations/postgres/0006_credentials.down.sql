DROP TABLE user_identities;
DROP TABLE api_tokens;
