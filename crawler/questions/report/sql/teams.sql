-- The largest teams, and all others as one row without a name. A team that is known to have nothing has 0 bytes.
WITH
    counted AS (
        SELECT
            split_part(
                CASE WHEN starts_with(repository, $below) THEN substr(repository, len($below) + 1) ELSE repository END,
                '/',
                1
            ) AS team,
            count(*) AS repositories,
            sum(tags) AS tags,
            bool_and(outcome = 'missing' OR (outcome = 'ok' AND coalesce(images, tags) = 0)) AS is_empty
        FROM listed
        GROUP BY team
    ),
    sized AS (
        SELECT team, repositories, tags, CASE WHEN is_empty THEN 0 ELSE bytes END AS bytes
        FROM counted
        LEFT JOIN team_bytes ON team_bytes.key = hash(counted.team)
    ),
    ranked AS (
        SELECT *, row_number() OVER (ORDER BY bytes DESC NULLS LAST, tags DESC, team) AS place
        FROM sized
    )
SELECT
    CASE WHEN place <= $most THEN team END AS team,
    least(place, $most + 1) AS place,
    count(*) AS teams,
    sum(repositories)::BIGINT AS repositories,
    sum(tags)::BIGINT AS tags,
    sum(bytes)::HUGEINT AS bytes
FROM ranked
GROUP BY ALL
ORDER BY place
