-- Images by platform, each counted once: one that two indexes list, or one that is listed by itself too.
SELECT platform, count(*) AS images
FROM (
    SELECT any_value(platform) AS platform
    FROM (
        SELECT key, platform FROM platform_rows
        UNION ALL
        SELECT key, NULL FROM manifests WHERE is_image
    )
    GROUP BY key
)
GROUP BY platform
ORDER BY images DESC, platform
