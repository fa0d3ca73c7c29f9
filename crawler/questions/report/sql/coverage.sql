-- How many tagged images have a signature, an SBOM or a provenance, and how many are proved to have none. An index has
-- what each of its images has: builds attach an SBOM and a provenance to each platform. A signature is of one digest.
WITH
    listed AS (
        SELECT key, unnest(children) AS child FROM subjects
    ),
    below AS (
        SELECT
            listed.key AS key,
            bool_and(coalesce(has_sbom, false)) AS all_have_sbom,
            bool_or(NOT coalesce(has_sbom OR is_doubtful, true)) AS one_has_no_sbom,
            bool_and(coalesce(has_provenance, false)) AS all_have_provenance,
            bool_or(NOT coalesce(has_provenance OR is_doubtful, true)) AS one_has_no_provenance
        FROM listed
        LEFT JOIN subjects ON subjects.key = listed.child
        GROUP BY listed.key
    ),
    judged AS (
        SELECT
            is_signed,
            NOT is_signed AND NOT is_doubtful AS is_unsigned,
            has_sbom OR coalesce(all_have_sbom, false) AS has_sbom,
            NOT is_doubtful AND coalesce(one_has_no_sbom, true) AS may_lack_sbom,
            has_provenance OR coalesce(all_have_provenance, false) AS has_provenance,
            NOT is_doubtful AND coalesce(one_has_no_provenance, true) AS may_lack_provenance
        FROM subjects
        LEFT JOIN below USING (key)
        WHERE is_subject
    )
SELECT
    count(*) FILTER (WHERE is_signed) AS signed,
    count(*) FILTER (WHERE is_unsigned) AS unsigned,
    count(*) FILTER (WHERE has_sbom) AS with_sbom,
    count(*) FILTER (WHERE NOT has_sbom AND may_lack_sbom) AS without_sbom,
    count(*) FILTER (WHERE has_provenance) AS with_provenance,
    count(*) FILTER (WHERE NOT has_provenance AND may_lack_provenance) AS without_provenance
FROM judged
