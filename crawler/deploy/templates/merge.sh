trap 'exit 143' TERM
# Both CronJobs have one schedule, so the Job that crawls has the same number in its name, which is the group.
group={{ options.name }}"${JOB_NAME#{{ options.name }}-merge}"
folder={{ shards_folder }}/"$group"
waited=0
while [ "$(find "$folder" -maxdepth 2 -name 'shard=*' 2>/dev/null | wc -l)" -lt {{ parts }} ] &&
  { [ -d "$folder" ] || [ "$waited" -lt {{ begins_within_s }} ]; } && [ "$waited" -lt {{ deadline_s }} ]; do
  sleep 10
  waited=$((waited + 10))
done
exec registry-crawler {{ arguments }} --group "$group"
