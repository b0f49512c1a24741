-- id, token, chunk, answer, seconds of a core that it took, how many may be made up for, and perhaps a
-- name under which other jobs find it and how many such are kept -> "held", "cancel" or "lost"
local id, token, seconds, lag = ARGV[4], ARGV[5], tonumber(ARGV[8]), tonumber(ARGV[9])
if not holds(id, token) then return 'lost' end
-- A call that is made again, since its answer was lost, stores nothing anew and costs nothing more.
local is_new = redis.call('HSET', key('chunks', id), ARGV[6], ARGV[7]) == 1
redis.call('HDEL', job(id), 'barren')
if is_new and seconds > 0 then
  local who, shares = payer(id), p .. ':shares'
  local spent = key('spent', math.floor(tonumber(now()) / 86400))
  redis.call('HINCRBYFLOAT', spent, who, ARGV[8])
  redis.call('EXPIRE', spent, 172800)
  local used = tonumber(redis.call('ZINCRBY', shares, ARGV[8], who))
  local most = tonumber(redis.call('ZREVRANGE', shares, 0, 0, 'WITHSCORES')[2])
  if used < most - lag then redis.call('ZADD', shares, most - lag, who) end
end
if ARGV[10] then
  redis.call('SET', key('memo', ARGV[10]), ARGV[7])
  redis.call('HDEL', p .. ':making', ARGV[10])
  redis.call('ZADD', p .. ':memos', now(), ARGV[10])
  forget_memos(redis.call('ZRANGE', p .. ':memos', 0, -1 - tonumber(ARGV[11])))
end
if redis.call('HGET', job(id), 'state') == 'cancelling' then return 'cancel' end
return 'held'
