-- id, 1 where an archive may have it too -> "deleted", "pinned", the state of a job that is not over, or
-- nil; of one that is gone already "deleted" as long as that is noted
local id = ARGV[4]
local state = redis.call('HGET', job(id), 'state')
if not state then return redis.call('ZSCORE', p .. ':deleted', id) and 'deleted' end
if state == 'queued' or state == 'running' or state == 'cancelling' then return state end
if state == 'finished' and pinned(id) then return 'pinned' end
forget(id)
redis.call('ZREM', p .. ':expiry', id)
-- Whoever has its result at hand hears of it, also if thousands go between two of its looks.
redis.call('XADD', p .. ':deletions', 'MAXLEN', '~', 10000, '*', 'id', id)
-- Whoever keeps the archive sees to the rest, also if this caller dies now.
if ARGV[5] == '1' then redis.call('ZADD', p .. ':deleted', now(), id) end
return 'deleted'
