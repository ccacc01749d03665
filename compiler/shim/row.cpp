#include "row.h"

#include "llvm/ADT/STLExtras.h"

#include <tuple>

using namespace llvm;
using namespace twin;

bool FrameRow::operator<(const FrameRow &Other) const {
  return std::tie(Register, Offset, Saved) < std::tie(Other.Register, Other.Offset, Other.Saved);
}

FrameRows::FrameRows(const MCAsmInfo &Info) : Stack(1) {
  for (const MCCFIInstruction &Initial : Info.getInitialFrameState())
    follow(Initial);
  number();
}

bool FrameRows::understands(const MCCFIInstruction &Change) {
  switch (Change.getOperation()) {
  case MCCFIInstruction::OpDefCfa:
  case MCCFIInstruction::OpDefCfaRegister:
  case MCCFIInstruction::OpDefCfaOffset:
  case MCCFIInstruction::OpAdjustCfaOffset:
  case MCCFIInstruction::OpOffset:
  case MCCFIInstruction::OpRestore:
  case MCCFIInstruction::OpSameValue:
  case MCCFIInstruction::OpRememberState:
  case MCCFIInstruction::OpRestoreState:
    return true;
  default:
    return false;
  }
}

void FrameRows::follow(const MCCFIInstruction &Change) {
  FrameRow &Now = Stack.back();
  switch (Change.getOperation()) {
  case MCCFIInstruction::OpDefCfa:
    Now.Register = Change.getRegister();
    Now.Offset = Change.getOffset();
    break;
  case MCCFIInstruction::OpDefCfaRegister:
    Now.Register = Change.getRegister();
    break;
  case MCCFIInstruction::OpDefCfaOffset:
    Now.Offset = Change.getOffset();
    break;
  case MCCFIInstruction::OpAdjustCfaOffset:
    Now.Offset += Change.getOffset();
    break;
  case MCCFIInstruction::OpOffset:
    Now.Saved[Change.getRegister()] = Change.getOffset();
    break;
  case MCCFIInstruction::OpRestore:
  case MCCFIInstruction::OpSameValue:
    Now.Saved.erase(Change.getRegister());
    break;
  case MCCFIInstruction::OpRememberState:
    Stack.push_back(FrameRow(Now));
    break;
  case MCCFIInstruction::OpRestoreState:
    Stack.pop_back();
    break;
  default:
    llvm_unreachable("call frame information that is not understood");
  }
}

uint32_t FrameRows::number() { return Numbers.try_emplace(Stack.back(), Numbers.size()).first->second; }

void FrameRows::goTo(uint32_t Number, MCSymbol *Here, std::vector<MCCFIInstruction> &Out) {
  FrameRow Now = Stack.back();
  FrameRow Next = find_if(Numbers, [&](const auto &Each) { return Each.second == Number; })->first;
  if (std::tie(Now.Register, Now.Offset) != std::tie(Next.Register, Next.Offset))
    Out.push_back(MCCFIInstruction::cfiDefCfa(Here, Next.Register, Next.Offset));
  for (auto [Register, Offset] : Next.Saved)
    if (auto Found = Now.Saved.find(Register); Found == Now.Saved.end() || Found->second != Offset)
      Out.push_back(MCCFIInstruction::createOffset(Here, Register, Offset));
  for (auto [Register, Offset] : Now.Saved)
    if (!Next.Saved.count(Register))
      Out.push_back(MCCFIInstruction::createRestore(Here, Register));
  Stack.back() = std::move(Next);
}
