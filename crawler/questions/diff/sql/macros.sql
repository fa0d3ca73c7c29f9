CREATE TEMP MACRO counted(number, noun) AS number || ' ' || noun || CASE number WHEN 1 THEN '' ELSE 's' END;
CREATE TEMP MACRO signatures(referrers) AS list_filter(referrers, lambda referrer: referrer.kind = 'signature');
-- What is in a list of signatures and not in another one.
CREATE TEMP MACRO not_among(these, those) AS list_filter(
    these,
    lambda this: NOT list_contains(list_transform(those, lambda that: that.digest), this.digest)
        AND NOT (this.via = 'cosign-tag' AND list_contains(list_transform(those, lambda that: that.via), this.via))
);
-- Whether everything was read that had to be, so that a problem or a signature that was not found is not there.
CREATE TEMP MACRO was_read(problems) AS len(list_filter(
    problems, lambda problem: problem.problem IN ('manifest-unreadable', 'digest-mismatch')
)) = 0;
CREATE TEMP MACRO tags_with(problems, names) AS list_transform(
    list_filter(problems, lambda problem: list_contains(names, problem.problem)), lambda problem: problem.tag
);
-- The tags that were listed, and gone when their manifests were read.
CREATE TEMP MACRO vanished(problems) AS tags_with(problems, ['vanished-tag']);
-- The tags that are proved to have no manifest.
CREATE TEMP MACRO dangling(problems) AS tags_with(problems, ['dangling-tag']);
-- The tags whose manifests could not be read.
CREATE TEMP MACRO unread(problems) AS tags_with(problems, ['manifest-unreadable', 'digest-mismatch']);
