-- question: Which images would a retention policy delete, what would break by it, and how much would it free?
-- needs: depth manifests
-- input: policy   the policy of Artifact Registry, ECR or Harbor as JSON, or one of registry-crawler's own
-- optional: running   what runs, from kubectl get pods -A -o json (- reads standard input)
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image
-- column: digest   the image; empty where nothing is known of the repository
-- column: rule   the rule that deletes it
-- column: breaks   what would break by it; empty where nothing is known to
-- column: freed_bytes   at most: of its layers that no image uses which stays, each counted at the first image only
-- column: why   why the answer is unknown

-- The judge is crawler/questions/cleanup: the table has what it decided. Nothing is ever deleted.
--
-- A layer is freed if every image of the snapshot that has it is deleted, in whatever repository: registries keep a
-- layer once. An image of which nothing is decided stays, and so do its layers. Layers are compressed; manifests and
-- configs, a few kilobytes each, are not counted.
WITH deleted AS MATERIALIZED (
    SELECT repository, digest, number FROM policy WHERE fate = 'delete'
),
freed AS (
    SELECT number, sum(size_bytes)::BIGINT AS freed_bytes
    FROM (
        SELECT min(number) AS number, max(layer.size_bytes) AS size_bytes
        FROM (SELECT number, unnest(layers) AS layer FROM contents LEFT JOIN deleted USING (repository, digest))
        GROUP BY layer.digest
        HAVING count(*) = count(number)
    )
    GROUP BY number
),
-- a workload names an image by a tag, a digest or the runtime's id of it; a tag is never like a digest
uses AS (
    SELECT number, list_sort(list(DISTINCT namespace || '/' || workload)) AS used_by
    FROM (SELECT number, repository, unnest([digest] || tags || other_names) AS name FROM policy)
    JOIN (SELECT repository, coalesce(tag, digest, image_id) AS name, namespace, workload FROM running)
        USING (repository, name)
    GROUP BY number
),
judged_images AS (
    SELECT
        * REPLACE (
            nullif(
                concat_ws(
                    '; ',
                    if(len(used_by) > 0, 'used by ' || array_to_string(used_by[:3], ', '), NULL)
                    || if(len(used_by) > 3, ' and ' || (len(used_by) - 3) || ' more', ''),
                    breaks
                ),
                ''
            ) AS breaks
        )
    FROM policy
    LEFT JOIN uses USING (number)
    LEFT JOIN freed USING (number)
)
SELECT
    if(fate = 'delete', 'yes', 'unknown') AS answer,
    repository,
    tags,
    digest,
    rule,
    breaks,
    if(fate = 'delete' AND manifest_known, coalesce(freed_bytes, 0), NULL) AS freed_bytes,
    why
FROM judged_images
ORDER BY answer DESC, breaks IS NULL, number
