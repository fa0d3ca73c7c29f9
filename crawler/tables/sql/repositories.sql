-- One row for each repository: the outcome, and how much is in it.
-- reads: tags, images.digest, problems.problem, children, suspect, error, outcome, observed_at
SELECT
    run_id,
    registry,
    target,
    repository,
    outcome,
    len(tags) AS tags,
    len(images) AS images,
    len(problems) AS problems,
    children,
    suspect,
    error.code AS error_code,
    error.http_status AS http_status,
    error.message AS error_message,
    observed_at::TIMESTAMPTZ AS observed_at
FROM records
