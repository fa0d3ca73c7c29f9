-- The largest teams, and all others as one row without a name.
WITH
    counted AS (
        SELECT
            split_part(
                CASE WHEN starts_with(repository, $below) THEN substr(repository, len($below) + 1) ELSE repository END,
                '/',
                1
            ) AS team,
            count(*) AS repositories,
            sum(tags) AS tags
        FROM listed
        GROUP BY team
    ),
    ranked AS (
        SELECT
            team,
            repositories,
            tags,
            bytes,
            row_number() OVER (ORDER BY bytes DESC NULLS LAST, tags DESC, team) AS place
        FROM counted
        LEFT JOIN team_bytes USING (team)
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
