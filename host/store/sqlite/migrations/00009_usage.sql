-- +goose Up

-- What models have used, one row a step. Rows outlive the runs and the agents that they speak of.
CREATE TABLE usage (
    number           INTEGER PRIMARY KEY,
    run_id           TEXT NOT NULL,
    agent_id         TEXT NOT NULL,
    principal        TEXT NOT NULL,
    provider         TEXT NOT NULL,
    model            TEXT NOT NULL,
    input_tokens     INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    output_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost             INTEGER, -- in millionths of the currency; NULL = its price was not known
    currency         TEXT NOT NULL,
    at               INTEGER NOT NULL
);
CREATE INDEX usage_by_run ON usage (run_id);
CREATE INDEX usage_by_owner ON usage (principal, at);
CREATE INDEX usage_by_agent ON usage (agent_id, at);
CREATE INDEX usage_by_time ON usage (at);
