-- The platform of each image: of the children of indexes, and of images by themselves.
CREATE TEMP TABLE platform_rows AS
SELECT
    hash(repository, coalesce(child_digest, digest)) AS key,
    nullif(concat_ws('/', os, architecture, variant), '') AS platform
FROM platforms
WHERE role = 'image' OR (role IS NULL AND os IS NOT NULL)
