-- The platform of each image, and the index that lists it; an image that no index lists is its own parent here.
CREATE TEMP TABLE platform_rows AS
SELECT
    hash(repository, digest) AS parent,
    hash(repository, coalesce(child_digest, digest)) AS key,
    nullif(concat_ws('/', os, architecture, variant), '') AS platform
FROM platforms
WHERE role = 'image' OR (role IS NULL AND os IS NOT NULL)
