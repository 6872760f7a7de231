-- OmniXtend (TileLink over Ethernet) 1.0.3, and the frame types of the 1.1 proposal.
-- Made by "oxmem-tloe dissector" from the tables of @oxmem/tloe-protocol: do not edit.
-- SPDX-License-Identifier: Apache-2.0
--
-- Wireshark: put this file into the folder "Personal Lua Plugins" of Help > About > Folders.
-- tshark:    tshark -X lua_script:omnixtend.lua -r FILE

local DEFAULT_ETHER_TYPE = 0xaaaa
local NOTHING_RECEIVED = 0x3fffff
local LAST_START_FLIT = 63
local ACK_ONLY = 1
local FRAME_TYPES = { [0] = "Normal", [1] = "AckOnly", [2] = "Open", [3] = "Close" }
local CHANNELS = { [0] = "-", [1] = "A", [2] = "B", [3] = "C", [4] = "D", [5] = "E" }
-- FORMATS[channel][opcode]: head is the number of words of the head
local FORMATS = {
  [1] = {
    [0] = { name = "PutFullData", head = 2, address = true, data = true },
    [1] = { name = "PutPartialData", head = 2, address = true, data = true, mask = true },
    [2] = { name = "ArithmeticData", head = 2, address = true, data = true },
    [3] = { name = "LogicalData", head = 2, address = true, data = true },
    [4] = { name = "Get", head = 2, address = true },
    [5] = { name = "Intent", head = 2, address = true },
    [6] = { name = "AcquireBlock", head = 2, address = true },
    [7] = { name = "AcquirePerm", head = 2, address = true },
  },
  [2] = {
    [0] = { name = "PutFullData", head = 2, address = true, data = true },
    [1] = { name = "PutPartialData", head = 2, address = true, data = true, mask = true },
    [2] = { name = "ArithmeticData", head = 2, address = true, data = true },
    [3] = { name = "LogicalData", head = 2, address = true, data = true },
    [4] = { name = "Get", head = 2, address = true },
    [5] = { name = "Intent", head = 2, address = true },
    [6] = { name = "ProbeBlock", head = 2, address = true },
    [7] = { name = "ProbePerm", head = 2, address = true },
  },
  [3] = {
    [0] = { name = "AccessAck", head = 2, address = true },
    [1] = { name = "AccessAckData", head = 2, address = true, data = true },
    [2] = { name = "HintAck", head = 2, address = true },
    [4] = { name = "ProbeAck", head = 2, address = true },
    [5] = { name = "ProbeAckData", head = 2, address = true, data = true },
    [6] = { name = "Release", head = 2, address = true },
    [7] = { name = "ReleaseData", head = 2, address = true, data = true },
  },
  [4] = {
    [0] = { name = "AccessAck", head = 1 },
    [1] = { name = "AccessAckData", head = 1, data = true },
    [2] = { name = "HintAck", head = 1 },
    [4] = { name = "Grant", head = 2, sink = true },
    [5] = { name = "GrantData", head = 2, sink = true, data = true },
    [6] = { name = "ReleaseAck", head = 1 },
  },
  [5] = {
    [0] = { name = "GrantAck", head = 1, sink = true },
    [1] = { name = "GrantAck", head = 1, sink = true },
    [2] = { name = "GrantAck", head = 1, sink = true },
    [3] = { name = "GrantAck", head = 1, sink = true },
    [4] = { name = "GrantAck", head = 1, sink = true },
    [5] = { name = "GrantAck", head = 1, sink = true },
    [6] = { name = "GrantAck", head = 1, sink = true },
    [7] = { name = "GrantAck", head = 1, sink = true },
  },
}

local proto = Proto("omnixtend", "OmniXtend TileLink over Ethernet")
local f = {
  vc = ProtoField.uint32("omnixtend.vc", "Virtual channel", base.DEC, nil, 0xe0000000),
  type = ProtoField.uint32("omnixtend.type", "Type", base.DEC, FRAME_TYPES, 0x1e000000),
  reserved_high = ProtoField.uint32("omnixtend.reserved", "Reserved", base.HEX, nil, 0x01c00000),
  seq = ProtoField.uint32("omnixtend.seq", "Sequence number", base.DEC, nil, 0x003fffff),
  seq_ack = ProtoField.uint32("omnixtend.seq_ack", "Acknowledged", base.DEC, nil, 0xfffffc00),
  ack = ProtoField.bool("omnixtend.ack", "ACK", 32, { "ACK", "NAK" }, 0x00000200),
  reserved_low = ProtoField.uint32("omnixtend.reserved", "Reserved", base.HEX, nil, 0x00000100),
  chan = ProtoField.uint32("omnixtend.chan", "Credit channel", base.DEC, CHANNELS, 0x000000e0),
  credit = ProtoField.uint32("omnixtend.credit", "Credit exponent", base.DEC, nil, 0x0000001f),
  flits = ProtoField.double("omnixtend.credit_flits", "Credit in flits"),
  mask = ProtoField.uint64("omnixtend.mask", "Frame mask", base.HEX),
  message = ProtoField.string("omnixtend.msg", "Message"),
  m_chan = ProtoField.uint32("omnixtend.msg.chan", "Channel", base.DEC, CHANNELS, 0x70000000),
  m_opcode = ProtoField.uint32("omnixtend.msg.opcode", "Opcode", base.DEC, nil, 0x0e000000),
  m_param = ProtoField.uint32("omnixtend.msg.param", "Param", base.DEC, nil, 0x00f00000),
  m_size_log2 = ProtoField.uint32("omnixtend.msg.size_log2", "Size", base.DEC, nil, 0x000f0000),
  m_size = ProtoField.uint32("omnixtend.msg.size", "Size in bytes"),
  m_domain = ProtoField.uint32("omnixtend.msg.domain", "Domain", base.DEC, nil, 0x0000ff00),
  m_denied = ProtoField.bool("omnixtend.msg.denied", "Denied", 32, nil, 0x00000080),
  m_corrupt = ProtoField.bool("omnixtend.msg.corrupt", "Corrupt", 32, nil, 0x00000040),
  m_source = ProtoField.uint32("omnixtend.msg.source", "Source", base.DEC, nil, 0x03ffffff),
  m_address = ProtoField.uint64("omnixtend.msg.address", "Address", base.HEX),
  m_sink = ProtoField.uint32("omnixtend.msg.sink", "Sink", base.DEC, nil, 0x03ffffff),
  m_data = ProtoField.bytes("omnixtend.msg.data", "Data"),
  m_masked = ProtoField.bytes("omnixtend.msg.masked_data", "Masks and data"),
}
proto.fields = {
  f.vc, f.type, f.reserved_high, f.seq, f.seq_ack, f.ack, f.reserved_low, f.chan, f.credit, f.flits,
  f.mask, f.message, f.m_chan, f.m_opcode, f.m_param, f.m_size_log2, f.m_size, f.m_domain,
  f.m_denied, f.m_corrupt, f.m_source, f.m_address, f.m_sink, f.m_data, f.m_masked,
}

local function problem(name, text)
  return ProtoExpert.new("omnixtend." .. name, text, expert.group.MALFORMED, expert.severity.ERROR)
end
local e = {
  short = problem("short_frame", "The frame is too short"),
  unknown_type = problem("unknown_type", "Unknown frame type"),
  unknown_message = problem("unknown_message", "Unknown channel or opcode"),
  padding = problem("dirty_padding", "Padding that is not zero"),
  long = problem("long_message", "The frame ends before its last message"),
  late = problem("late_start", "A message starts behind flit 64"),
  mask = problem("wrong_mask", "The frame mask differs from the messages"),
}
e.nak = ProtoExpert.new("omnixtend.nak", "Negative acknowledgement", expert.group.SEQUENCE,
  expert.severity.NOTE)
e.denied = ProtoExpert.new("omnixtend.denied", "Denied", expert.group.RESPONSE_CODE,
  expert.severity.NOTE)
e.cut = ProtoExpert.new("omnixtend.cut", "The capture has only a part of the frame",
  expert.group.UNDECODED, expert.severity.NOTE)
proto.experts = {
  e.short, e.unknown_type, e.unknown_message, e.padding, e.long, e.late, e.mask, e.nak, e.denied,
  e.cut,
}

local function data_flits(size) return size < 3 and 1 or 2 ^ (size - 3) end
local function mask_flits(size) return size <= 6 and 1 or 2 ^ (size - 6) end

local function message_flits(format, size)
  local flits = format.head
  if format.data then flits = flits + data_flits(size) end
  if format.mask then flits = flits + mask_flits(size) end
  return flits
end

-- Adds a message whose head has been captured. Returns its description.
local function add_message(tree, tvb, offset, format, length)
  local high, low = tvb(offset, 4), tvb(offset + 4, 4)
  local chan = tvb(offset, 1):bitfield(1, 3)
  local available = math.min(length * 8, tvb:captured_len() - offset)
  local text = CHANNELS[chan] .. " " .. format.name
  local item = tree:add(f.message, tvb(offset, available), format.name)
  item:add(f.m_chan, high)
  if chan ~= 5 then
    local size = tvb(offset + 1, 1):bitfield(4, 4)
    text = text .. string.format(" %d B source %d", 2 ^ size, low:bitfield(6, 26))
    item:add(f.m_opcode, high)
    item:add(f.m_param, high)
    item:add(f.m_size_log2, high)
    item:add(f.m_size, tvb(offset + 1, 1), 2 ^ size):set_generated()
    item:add(f.m_domain, high)
    local denied = item:add(f.m_denied, high)
    item:add(f.m_corrupt, high)
    item:add(f.m_source, low)
    if high:bitfield(24, 1) == 1 then
      text = text .. " denied"
      denied:add_proto_expert_info(e.denied)
    end
    if high:bitfield(25, 1) == 1 then text = text .. " corrupt" end
  end
  if format.address then
    item:add(f.m_address, tvb(offset + 8, 8))
    text = text .. " at 0x" .. tostring(tvb(offset + 8, 8):bytes()):gsub("^0+(.)", "%1"):lower()
  end
  if format.sink then
    local sink = chan == 5 and low or tvb(offset + 12, 4)
    item:add(f.m_sink, sink)
    text = text .. " sink " .. sink:bitfield(6, 26)
  end
  local body = available - format.head * 8
  if format.data and body > 0 then
    item:add(format.mask and f.m_masked or f.m_data, tvb(offset + format.head * 8, body))
  end
  item:set_text(text)
  return text
end

-- Walks the flits. Returns the mask that belongs to the messages, or nil if it went astray.
local function add_messages(tree, tvb, flits, info)
  local mask_high, mask_low = 0, 0
  local flit = 0
  while flit < flits do
    local offset = 8 + flit * 8
    if offset + 8 > tvb:captured_len() then return nil end
    local chan = tvb(offset, 1):bitfield(1, 3)
    if chan == 0 then
      if tvb(offset, 4):uint() ~= 0 or tvb(offset + 4, 4):uint() ~= 0 then
        tree:add_proto_expert_info(e.padding)
        return nil
      end
      flit = flit + 1
    else
      local format = FORMATS[chan] and FORMATS[chan][tvb(offset, 1):bitfield(4, 3)]
      if not format then
        tree:add_proto_expert_info(e.unknown_message)
        return nil
      end
      local length = message_flits(format, chan == 5 and 0 or tvb(offset + 1, 1):bitfield(4, 4))
      if flit > LAST_START_FLIT then
        tree:add_proto_expert_info(e.late)
        return nil
      end
      if flit + length > flits then
        tree:add_proto_expert_info(e.long)
        return nil
      end
      if offset + format.head * 8 > tvb:captured_len() then return nil end
      info[#info + 1] = add_message(tree, tvb, offset, format, length)
      if flit < 32 then mask_low = mask_low + 2 ^ flit else mask_high = mask_high + 2 ^ (flit - 32) end
      flit = flit + length
    end
  end
  return mask_high, mask_low
end

local function add_header(tree, tvb, info)
  local high, low = tvb(0, 4), tvb(4, 4)
  tree:add(f.vc, high)
  local type_item = tree:add(f.type, high)
  tree:add(f.reserved_high, high)
  tree:add(f.seq, high)
  local ack_item = tree:add(f.seq_ack, low)
  tree:add(f.ack, low)
  tree:add(f.reserved_low, low)
  tree:add(f.chan, low)
  local type = high:bitfield(3, 4)
  local acked = low:bitfield(0, 22)
  local is_ack = low:bitfield(22, 1) == 1
  local chan, credit = low:bitfield(24, 3), low:bitfield(27, 5)
  info[1] = string.format("%s seq %d %s %s", FRAME_TYPES[type] or ("type " .. type),
    high:bitfield(10, 22), is_ack and "ack" or "nak",
    acked == NOTHING_RECEIVED and "-" or tostring(acked))
  if chan ~= 0 then
    tree:add(f.credit, low)
    tree:add(f.flits, low, 2 ^ credit):set_generated()
    info[1] = info[1] .. string.format(" credit %s 2^%d", CHANNELS[chan] or chan, credit)
  end
  if not FRAME_TYPES[type] then type_item:add_proto_expert_info(e.unknown_type) end
  if not is_ack then ack_item:add_proto_expert_info(e.nak) end
  return type
end

function proto.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "OmniXtend"
  local words = math.floor(tvb:reported_len() / 8)
  local tree = root:add(proto, tvb())
  if words < 2 or tvb:captured_len() < 8 then
    tree:add_proto_expert_info(e.short)
    return tvb:captured_len()
  end
  local info = {}
  local type = add_header(tree, tvb, info)
  local mask_at = (words - 1) * 8
  local is_whole = mask_at + 8 <= tvb:captured_len()
  if type ~= ACK_ONLY and FRAME_TYPES[type] then
    local high, low = add_messages(tree, tvb, words - 2, info)
    if is_whole and high then
      local item = tree:add(f.mask, tvb(mask_at, 8))
      if tvb(mask_at, 4):uint() ~= high or tvb(mask_at + 4, 4):uint() ~= low then
        item:add_proto_expert_info(e.mask)
      end
    end
  end
  if not is_whole then tree:add_proto_expert_info(e.cut) end
  pinfo.cols.info = table.concat(info, " | ")
  tree:append_text(", " .. table.concat(info, " | "))
  return words * 8
end

proto.prefs.ether_type = Pref.uint("EtherType", DEFAULT_ETHER_TYPE, "EtherType of TLoE frames")
local ether_types = DissectorTable.get("ethertype")
local registered = DEFAULT_ETHER_TYPE
ether_types:add(registered, proto)
function proto.prefs_changed()
  if proto.prefs.ether_type == registered then return end
  ether_types:remove(registered, proto)
  registered = proto.prefs.ether_type
  ether_types:add(registered, proto)
end
