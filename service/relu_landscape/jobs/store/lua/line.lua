-- kinds that ask for others (with commas between them), "1" where small jobs have places of their own,
-- how many jobs are many, ids -> of each how many jobs would be claimed before it, or nothing where it
-- does not wait; then each line of so many that was looked at for them, as the ids in it
--
-- As if one place after another became free from now on, while no job ended and nothing more was used:
-- then nobody's turn depends on anything but what is here (turn.lua), and the order is that of a sort.
-- A payer's job number n comes when n - 1 more of hers compute; in between her account is moved at
-- most once, when the first of her jobs is claimed while none of hers computes (level in claim.lua).
local apart = ARGV[5] == '1'
local asks = {}
for kind in ARGV[4]:gmatch('[^,]+') do asks[kind] = true end
local computing = computing_by_payer()
local function class_of(kind, is_small)
  if asks[kind] then return 'asking' end
  return apart and is_small and 'small' or 'any'
end
-- The class tells apart what has places of its own; those for any job are for small ones as well.
local function is_of(queue, needs, class)
  local kind, rest = queue:match('^([^/]+)/(.*)$')
  local whole = rest:match('^(.*)/small$')
  local found = class_of(kind, whole ~= nil)
  return (whole or rest) == needs and (found == class or (class == 'any' and found == 'small'))
end
local function waiting(needs, class)
  local found, queues = {}, 0
  for _, queue in ipairs(redis.call('SMEMBERS', p .. ':queues')) do
    if is_of(queue, needs, class) then
      queues = queues + 1
      local entries = first_of(queue)
      for n = 1, #entries, 2 do
        found[#found + 1] = { id = entries[n], who = payer(entries[n]), at = tonumber(entries[n + 1]) }
      end
    end
  end
  if queues > 1 then table.sort(found, function(one, other) return one.at < other.at end) end
  return found
end
-- The rank of each when its turn comes, but for accounts that move.
local function rank(jobs, adds)
  local computes, used = {}, {}
  for _, each in ipairs(jobs) do
    local who = each.who
    computes[who] = computes[who] or computing[who] or 0
    used[who] = used[who] or used_by(who) or 0
    each.rank = { computes[who], used[who], each.at }
    computes[who] = computes[who] + adds
  end
end
local function least_used()
  local least
  for who in pairs(computing) do
    local used = used_by(who)
    if used and (not least or used < least) then least = used end
  end
  return least
end
-- What the claim of the first job of somebody of whose jobs none computes does to the accounts.
local function level(jobs)
  local least, nobody, first = least_used(), not next(computing), nil
  for _, each in ipairs(jobs) do
    if each.rank[1] == 0 and (not first or is_before(each.rank, first.rank)) then first = each end
  end
  if first then first.rank[2] = -1 end
  for _, each in ipairs(jobs) do
    if not computing[each.who] and each ~= first then
      local own, is_first = each.rank[2], each.rank[1] == 0
      if nobody then
        each.rank[2] = 0
      elseif least and own < least then
        -- Forgotten by then, if it is her first; beside the least of those who are there afterwards.
        each.rank[2] = is_first and 0 or least
      end
    end
  end
end
local lines = {}
local function line(needs, class)
  local name = class .. ' ' .. needs
  if not lines[name] then
    local jobs, place = waiting(needs, class), {}
    local adds = class == 'asking' and 0 or 1
    rank(jobs, adds)
    if adds == 1 then level(jobs) end
    table.sort(jobs, function(one, other) return is_before(one.rank, other.rank) end)
    for n, each in ipairs(jobs) do place[each.id] = n - 1 end
    lines[name] = { place = place, jobs = jobs }
  end
  return lines[name]
end
local function before(id)
  local queue = queue_of(id)
  local at = redis.call('ZRANK', key('queue', queue), id)
  if not at then return false end
  local is_small = redis.call('HEXISTS', job(id), 'small') == 1
  local class = class_of(kind_of(id), is_small)
  local found = line(redis.call('HGET', job(id), 'needs') or '', class)
  -- What stands behind those that are looked at comes after them, in its order.
  return found.place[id] or #found.jobs + at - LOOKED_AT
end
local before_each, answer = {}, {}
for i = 7, #ARGV do before_each[i - 6] = before(ARGV[i]) end
answer[1] = before_each
for _, each in pairs(lines) do
  if #each.jobs >= tonumber(ARGV[6]) then
    local ids = {}
    for n, waits in ipairs(each.jobs) do ids[n] = waits.id end
    answer[#answer + 1] = ids
  end
end
return answer
