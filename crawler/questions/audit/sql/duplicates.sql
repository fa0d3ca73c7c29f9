-- question: Which images are in several repositories, with the same digest?
-- needs: images
-- column: answer   yes, or unknown
-- column: digest   the image
-- column: repositories   where it is; for an unknown answer, the repository that was not read
-- column: size_bytes   of each copy
-- column: why   why the answer is unknown

-- An image counts where one of its copies has a tag: the images of a copied index are not named one by one.
WITH found AS (
    SELECT repository, digest, tags, size_bytes, unread FROM pullable
)
SELECT
    'yes' AS answer,
    digest,
    list_sort(list(repository)) AS repositories,
    max(size_bytes) AS size_bytes,
    NULL AS why
FROM found
WHERE unread IS NULL
GROUP BY digest
HAVING count(*) > 1 AND bool_or(len(tags) > 0)
UNION ALL BY NAME
SELECT 'unknown' AS answer, [repository] AS repositories, unread AS why
FROM found
WHERE unread IS NOT NULL
ORDER BY answer DESC, len(repositories) DESC, digest, repositories
