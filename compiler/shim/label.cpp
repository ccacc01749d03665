// Gives every uniform call a label behind it. The IR marks a call by the stack map just before it, whose id
// is the number of the site; the marker goes away here.
#include "shim.h"

#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/IR/CallingConv.h"
#include "llvm/MC/MCContext.h"

using namespace llvm;

namespace {

struct Label : twin::MachinePass {
  static char ID;
  Label() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: label uniform calls"; }

  // Soft-float and memory library calls use the C convention, so that the register mask singles out the
  // call that the marker speaks of.
  static bool isUniformConvention(const MachineInstr &MI, const uint32_t *Mask) {
    if (!MI.isCall())
      return false;
    for (const MachineOperand &Op : MI.operands())
      if (Op.isRegMask() && Op.getRegMask() == Mask)
        return true;
    return false;
  }

  bool runOnMachineFunction(MachineFunction &MF) override {
    const TargetRegisterInfo *TRI = MF.getSubtarget().getRegisterInfo();
    const uint32_t *Mask = TRI->getCallPreservedMask(MF, CallingConv::PreserveNone);
    SmallVector<MachineInstr *, 32> Markers;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : MBB)
        if (MI.getOpcode() == TargetOpcode::STACKMAP)
          Markers.push_back(&MI);
    for (MachineInstr *Marker : Markers) {
      uint64_t Site = Marker->getOperand(0).getImm();
      MachineBasicBlock::iterator Call = std::next(Marker->getIterator());
      MachineBasicBlock &MBB = *Marker->getParent();
      while (Call != MBB.end() && !isUniformConvention(*Call, Mask))
        ++Call;
      if (Call == MBB.end() || Call->getPostInstrSymbol()) {
        violation(MF, "uniform call site " + std::to_string(Site) + " has lost its call");
        return true;
      }
      Call->setPostInstrSymbol(
          MF, MF.getContext().getOrCreateSymbol(".Ltwin" + Twine(MF.getFunctionNumber()) + "_" + Twine(Site)));
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

MachineFunctionPass *twin::createLabelPass() { return new Label; }
