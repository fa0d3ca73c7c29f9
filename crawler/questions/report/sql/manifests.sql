-- What the later statements need of each manifest. The key is 64 bits: a digest takes 71 bytes.
-- Reproducible builds write 1970 or 1980 as their time: then, or where there is no time, the upload counts.
CREATE TEMP TABLE manifests AS
SELECT
    hash(repository, digest) AS key,
    kind IS NULL OR kind = 'image' AS is_image,
    kind IS NULL AS of_unknown_kind,
    (kind IS NULL OR kind IN ('image', 'index')) AND len(tags) > 0 AS is_subject,
    floor((epoch($started_at::TIMESTAMPTZ) - epoch(
        CASE
            WHEN created_at >= TIMESTAMPTZ '1980-01-02T00:00:00Z' THEN created_at
            WHEN uploaded_at >= TIMESTAMPTZ '1980-01-02T00:00:00Z' THEN uploaded_at
        END
    )) / 86400)::INTEGER AS age_days,
    manifest_known,
    referrers_known,
    size_bytes IS NOT NULL AS size_known
FROM images
