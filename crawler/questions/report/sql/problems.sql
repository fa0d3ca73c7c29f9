-- How many problems of each kind there are, with the first few of them.
SELECT
    problem,
    count(*) AS problems,
    count(DISTINCT repository) AS repositories,
    arg_min(
        {repository: repository, tag: tag, digest: digest, code: code, message: message},
        concat_ws(' ', repository, tag, digest),
        $examples
    ) AS examples
FROM problems
GROUP BY problem
ORDER BY problems DESC, problem
