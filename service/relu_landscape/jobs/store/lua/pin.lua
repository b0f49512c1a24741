-- id -> "pinned", or the state of a job that is not finished, or nil
local id = ARGV[4]
local state = redis.call('HGET', job(id), 'state')
if state ~= 'finished' then return state end
whatever_the_memory()
redis.call('HSET', job(id), 'pinned', '1')
redis.call('ZREM', p .. ':expiry', id)
return 'pinned'
