-- One row for each thing that is broken in a repository, or could not be read.
-- reads: problems
SELECT
    run_id,
    registry,
    target,
    repository,
    problem.problem AS problem,
    problem.tag AS tag,
    problem.digest AS digest,
    problem.code AS code,
    problem.http_status AS http_status,
    problem.message AS message
FROM (SELECT run_id, registry, target, repository, unnest(problems) AS problem FROM records)
