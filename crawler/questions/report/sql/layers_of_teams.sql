-- Bytes of each team, and of the whole registry where the key is null. A layer counts once for each team that has it,
-- and once for the registry.
CREATE TEMP TABLE team_bytes AS
WITH team_layers AS MATERIALIZED (
    SELECT
        hash(
            split_part(
                CASE WHEN starts_with(repository, $below) THEN substr(repository, len($below) + 1) ELSE repository END,
                '/',
                1
            )
        ) AS key,
        hash(layer_digest) AS layer,
        max(size_bytes) AS size_bytes
    FROM layers
    GROUP BY ALL
)
SELECT key, sum(size_bytes) AS bytes FROM team_layers GROUP BY key
UNION ALL
SELECT NULL, sum(size_bytes) FROM (SELECT max(size_bytes) AS size_bytes FROM team_layers GROUP BY layer)
