-- Bytes of each team, and of the whole registry where the key is null, where no layers are known: the sizes that the
-- registry lists, in which a layer counts for each image that has it.
CREATE TEMP TABLE team_bytes AS
SELECT
    hash(
        split_part(
            CASE WHEN starts_with(repository, $below) THEN substr(repository, len($below) + 1) ELSE repository END,
            '/',
            1
        )
    ) AS key,
    sum(size_bytes) AS bytes
FROM images
GROUP BY GROUPING SETS ((key), ())
