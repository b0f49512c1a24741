-- id, ttl -> "unpinned", or nil
local id, ttl = ARGV[4], tonumber(ARGV[5])
if redis.call('EXISTS', job(id)) == 0 then return nil end
-- Its time to be forgotten begins anew; one that had no pin has its time already.
local was = redis.call('HDEL', job(id), 'pinned')
if was == 1 and ttl > 0 then redis.call('ZADD', p .. ':expiry', tonumber(now()) + ttl, id) end
return 'unpinned'
