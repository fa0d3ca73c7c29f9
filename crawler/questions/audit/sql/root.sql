-- question: Which images run as root?
-- needs: depth configs
-- column: answer   yes, or unknown
-- column: repository   the repository
-- column: tags   the tags of the image, else those of the indexes that list it
-- column: digest   the image; one for each platform
-- column: user   as the config has it; a config without a user runs as root
-- column: why   why the answer is unknown

-- A user with another name may have the id 0 in the image's /etc/passwd, which is not read.
SELECT
    CASE WHEN config_known THEN 'yes' ELSE 'unknown' END AS answer,
    repository,
    tags,
    digest,
    "user",
    CASE WHEN NOT config_known THEN coalesce(unread, 'its config was not read') END AS why
FROM runnable
WHERE
    NOT config_known
    OR regexp_full_match(coalesce("user", ''), '\s*(root|[+-]?0+|(.*\\)?ContainerAdministrator)?\s*(:.*)?', 'is')
ORDER BY answer DESC, repository, digest
