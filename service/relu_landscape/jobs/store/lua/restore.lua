-- id, ttl, result, number of details, 1 where that undoes a deletion, then pairs of a part's key and its details, then pairs of
-- fields of the job -> "restored", "deleted", or the state of a job that is there
local id, ttl, count = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[7])
if ARGV[8] ~= '1' and redis.call('ZSCORE', p .. ':deleted', id) then return 'deleted' end
local state = redis.call('HGET', job(id), 'state')
if state == 'queued' or state == 'running' or state == 'cancelling' then return state end
if state == 'finished' and redis.call('EXISTS', key('result', id)) == 1 then return state end
-- The first write is one that a full memory refuses, so that nothing is half done then.
redis.call('SET', key('result', id), ARGV[6])
redis.call('DEL', key('details', id), key('chunks', id), key('events', id))
redis.call('ZREM', p .. ':deleted', id)
local last = 8 + 2 * count
for i = 9, last, 2 do redis.call('HSET', key('details', id), ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV, 2 do
  -- What people said of a job that is there since is newer than what was kept of it.
  local personal = ARGV[i] == 'asked' or ARGV[i] == 'labels'
  redis.call(personal and 'HSETNX' or 'HSET', job(id), ARGV[i], ARGV[i + 1])
end
redis.call('HDEL', job(id), 'findings')
if not redis.call('HGET', job(id), 'sequence') then
  local sequence = redis.call('INCR', p .. ':sequence')
  redis.call('HSET', job(id), 'sequence', sequence)
  redis.call('ZADD', p .. ':jobs', sequence, id)
  redis.call('ZADD', key('jobs', kind_of(id)), sequence, id)
end
enter(id, 'finished')
if ttl > 0 and not pinned(id) then
  redis.call('ZADD', p .. ':expiry', tonumber(now()) + ttl, id)
else
  redis.call('ZREM', p .. ':expiry', id)
end
return 'restored'
