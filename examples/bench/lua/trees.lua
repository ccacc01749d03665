-- Allocation and garbage collection: binary trees. Usage: trees.lua DEPTH
local function grow(depth)
    if depth == 0 then return {} end
    return {left = grow(depth - 1), right = grow(depth - 1)}
end

local function count(tree)
    if not tree.left then return 1 end
    return 1 + count(tree.left) + count(tree.right)
end

local depth = tonumber(arg[1])
local old, total = grow(depth), 0
for size = 4, depth, 2 do
    for _ = 1, 1 << (depth - size) do total = total + count(grow(size)) end
end
print(count(old), total)
