-- id, ttl -> 1 if the finished job is forgotten in so many seconds, 0 if earlier or not at all
local id, ttl = ARGV[4], tonumber(ARGV[5])
if redis.call('HGET', job(id), 'state') ~= 'finished' or pinned(id) then return 0 end
local time = tonumber(now()) + ttl
local before = redis.call('ZSCORE', p .. ':expiry', id)
if before and tonumber(before) <= time then return 0 end
redis.call('ZADD', p .. ':expiry', time, id)
return 1
