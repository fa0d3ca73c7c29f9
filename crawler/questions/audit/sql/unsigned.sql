-- question: Which tagged images have no signature?
-- needs: depth manifests
-- needs: referrers listed
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image or index
-- column: why   why the answer is unknown

-- A signature of an index covers its images. A signature counts where it is listed: it is not verified. In a repository
-- of which not everything was read, what was not read may be a signature.
SELECT
    CASE WHEN unlisted_why IS NULL THEN 'yes' ELSE 'unknown' END AS answer,
    repository,
    tags,
    digest,
    unlisted_why AS why
FROM attestable
WHERE
    (len(tags) > 0 OR unread IS NOT NULL)
    AND NOT coalesce(list_contains(list_transform(referrers, lambda referrer: referrer.kind), 'signature'), false)
ORDER BY answer DESC, repository, digest
