SELECT any_value(bytes) AS bytes FROM team_bytes WHERE key IS NULL
