-- What the later statements need of each manifest. The key is 64 bits: a digest takes 71 bytes.
-- Reproducible builds write 1970 or 1980 as their time, and some clocks are wrong: then, or where there is no time, the
-- upload counts, as in the audit question stale.
CREATE TEMP TABLE manifests AS
SELECT
    hash(repository, digest) AS key,
    kind IS NULL OR kind = 'image' AS is_image,
    kind IS NULL AS of_unknown_kind,
    floor((epoch($started_at::TIMESTAMPTZ) - epoch(
        CASE
            WHEN created_at >= TIMESTAMPTZ '1981-01-01T00:00:00Z'
                AND created_at < $started_at::TIMESTAMPTZ + INTERVAL 1 DAY
            THEN created_at
            ELSE uploaded_at
        END
    )) / 86400)::INTEGER AS age_days,
    manifest_known,
    size_bytes IS NOT NULL AS size_known
FROM images
