// Gives every uniform call the label `.Ltwin<function>_<site>` behind it. The IR marks a call by the stack map just
// before it, whose id is the number of the site; the marker goes away here. A call in front of a return, which leaves
// its frame and so needs no label, is marked too: it has to be a jump on both ISAs.
//
// The label is what later passes know a uniform call by, and what keeps two calls from being merged. Each call also
// gets a register mask of its own, which survives even where LLVM makes a new instruction.
#include "shim.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/IR/CallingConv.h"
#include "llvm/MC/MCContext.h"

using namespace llvm;

namespace {

// The id of markers of calls that have to become jumps (compiler/src/slots/mod.rs).
constexpr uint64_t SiblingCall = UINT32_MAX;

thread_local DenseMap<const uint32_t *, MCSymbol *> LabelOfMask;

struct Label : twin::MachinePass {
  static char ID;
  Label() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: label uniform calls"; }

  // The call that `Marker` speaks of, not one of a soft-float or memory function. Pseudo instructions for its arguments may have
  // split the block in between; the rest of the block then lies further down.
  static MachineInstr *callBehind(MachineInstr &Marker) {
    MachineBasicBlock *MBB = Marker.getParent();
    auto Begin = std::next(Marker.getIterator());
    for (auto Block = MBB->getIterator(); Block != MBB->getParent()->end(); ++Block) {
      for (MachineInstr &MI : make_range(&*Block == MBB ? Begin : Block->begin(), Block->end())) {
        if (MI.getOpcode() == TargetOpcode::STACKMAP)
          return nullptr;
        if (twin::hasUniformConvention(MI))
          return &MI;
      }
      if (Block->succ_empty())
        return nullptr;
    }
    return nullptr;
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    LabelOfMask.clear();
    const TargetRegisterInfo *TRI = MF.getSubtarget().getRegisterInfo();
    const uint32_t *Mask = TRI->getCallPreservedMask(MF, CallingConv::PreserveNone);
    SmallVector<MachineInstr *, 32> Markers;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (MI.getOpcode() == TargetOpcode::STACKMAP)
          Markers.push_back(&MI);
    for (MachineInstr *Marker : Markers) {
      uint64_t Site = Marker->getOperand(0).getImm();
      MachineInstr *Call = callBehind(*Marker);
      if (!Call) {
        std::string What = Site == SiblingCall ? "a return" : "uniform call site " + std::to_string(Site);
        violation(MF, What + " has lost its call");
        return true;
      }
      if (Site == SiblingCall) {
        if (!Call->isReturn())
          violation(MF, "a call in front of a return has not become a jump");
        continue;
      }
      uint32_t *Own = MF.allocateRegMask();
      std::copy_n(Mask, MachineOperand::getRegMaskSize(TRI->getNumRegs()), Own);
      twin::registerMask(*Call)->setRegMask(Own);
      MCSymbol *Symbol =
          MF.getContext().getOrCreateSymbol(".Ltwin" + Twine(MF.getFunctionNumber()) + "_" + Twine(Site));
      LabelOfMask[Own] = Symbol;
      Call->setPostInstrSymbol(MF, Symbol);
    }
    for (MachineInstr *Marker : Markers)
      Marker->eraseFromParent();
    if (!Markers.empty())
      MF.getFrameInfo().setHasStackMap(false);
    return !Markers.empty();
  }
};

char Label::ID;

} // namespace

void twin::restoreLabels(MachineFunction &MF) {
  for (MachineBasicBlock &MBB : MF)
    for (MachineInstr &MI : MBB)
      if (MachineOperand *Op = twin::registerMask(MI))
        if (auto Found = LabelOfMask.find(Op->getRegMask()); Found != LabelOfMask.end())
          MI.setPostInstrSymbol(MF, Found->second);
}

MachineFunctionPass *twin::createLabelPass() { return new Label; }
