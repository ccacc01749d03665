-- table.sort with a comparison in Lua, and the same by a merge sort in Lua. Usage: sort.lua COUNT
local count = tonumber(arg[1])
local random = 42
local values, copy = {}, {}
for i = 1, count do
    random = (random * 1103515245 + 12345) & 0x7fffffff
    values[i], copy[i] = random, random
end

local function merge_sort(list, from, to)
    if from == to then return {list[from]} end
    local middle = (from + to) // 2
    local left, right = merge_sort(list, from, middle), merge_sort(list, middle + 1, to)
    local merged, l, r = {}, 1, 1
    for i = 1, to - from + 1 do
        if r > #right or (l <= #left and left[l] >= right[r]) then
            merged[i], l = left[l], l + 1
        else
            merged[i], r = right[r], r + 1
        end
    end
    return merged
end

table.sort(values, function(a, b) return a > b end)
local merged = merge_sort(copy, 1, count)
for i = 1, count do assert(values[i] == merged[i]) end
print(values[1], values[count])
