-- id, ttl -> 1 if the finished job is forgotten in so many seconds from now on, and was not before
local id, ttl = ARGV[4], tonumber(ARGV[5])
if redis.call('HGET', job(id), 'state') ~= 'finished' then return 0 end
if redis.call('ZSCORE', p .. ':expiry', id) then return 0 end
return redis.call('ZADD', p .. ':expiry', tonumber(now()) + ttl, id)
