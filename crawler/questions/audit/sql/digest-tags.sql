-- question: Which tags are named for a digest, as those of signatures are?
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tag   the tag
-- column: subject_digest   the image that the tag belongs to
-- column: purpose   sig, att or sbom by cosign; referrers for the list of an image's referrers
-- column: why   why the answer is unknown

WITH named AS (
    SELECT
        repository,
        tag,
        regexp_extract(
            tag, '^(sha256)-([0-9a-f]{64})([.](sig|att|sbom))?$', ['algorithm', 'hex', 'end', 'purpose']
        ) AS short,
        regexp_extract(
            tag, '^(sha512)-([0-9a-f]{128})([.](sig|att|sbom))?$', ['algorithm', 'hex', 'end', 'purpose']
        ) AS long
    FROM tags
    WHERE starts_with(tag, 'sha')
),
parsed AS (
    SELECT repository, tag, CASE WHEN short.hex <> '' THEN short ELSE long END AS parts FROM named
)
SELECT
    'yes' AS answer,
    repository,
    tag,
    parts.algorithm || ':' || parts.hex AS subject_digest,
    CASE WHEN parts.purpose = '' THEN 'referrers' ELSE parts.purpose END AS purpose,
    NULL AS why
FROM parsed
WHERE parts.hex <> ''
UNION ALL BY NAME
SELECT 'unknown' AS answer, repository, why
FROM unread
WHERE NOT tags_known
ORDER BY answer DESC, repository, tag
