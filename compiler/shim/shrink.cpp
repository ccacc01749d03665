// Frames that a poll alone needs. LLVM's shrink wrapping puts no prologue into a loop, so that a function which does nothing but
// walk through something would make a frame for the poll of its loop. Here prologue and epilogue go into the cold block.
#include "shim.h"

#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetFrameLowering.h"
#include "llvm/CodeGen/TargetLowering.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

namespace {

struct Shrink : twin::MachinePass {
  static char ID;
  Shrink() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: frames in cold blocks"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    const TargetFrameLowering &TFL = *MF.getSubtarget().getFrameLowering();
    MachineFrameInfo &MFI = MF.getFrameInfo();
    if (!TFL.enableShrinkWrapping(MF) || TFL.hasFP(MF) || MFI.hasVarSizedObjects() || MFI.isReturnAddressTaken() ||
        MFI.isFrameAddressTaken() || MF.exposesReturnsTwice() || MF.callsEHReturn() || MF.hasEHFunclets())
      return false;
    MachineBasicBlock *Cold = nullptr;
    for (MachineBasicBlock &MBB : MF)
      if (needsFrame(MBB)) {
        if (Cold || none_of(MBB, twin::isPollCall))
          return false;
        Cold = &MBB;
      }
    if (!Cold || Cold->succ_size() != 1 || !TFL.canUseAsPrologue(*Cold) || !TFL.canUseAsEpilogue(*Cold))
      return false;
    MFI.setSavePoints({{Cold, {}}});
    MFI.setRestorePoints({{Cold, {}}});
    return true;
  }

private:
  static bool needsFrame(const MachineBasicBlock &MBB) {
    return MBB.isEHPad() || any_of(MBB, [](const MachineInstr &MI) { return needsFrame(MI); });
  }

  static bool needsFrame(const MachineInstr &MI) {
    if (MI.isDebugInstr())
      return false;
    if (MI.isInlineAsm() || (MI.isCall() && !MI.isReturn()))
      return true;
    return any_of(MI.operands(), [&](const MachineOperand &Op) {
      return Op.isFI() || (Op.isReg() && Op.getReg() && isOfFrame(MI, Op));
    });
  }

  // Whether a prologue has to save the register, or moves it. Returns and jumps to other functions find both as they were.
  static bool isOfFrame(const MachineInstr &MI, const MachineOperand &Op) {
    const MachineFunction &MF = *MI.getMF();
    const TargetSubtargetInfo &Target = MF.getSubtarget();
    const TargetRegisterInfo &TRI = *Target.getRegisterInfo();
    if (MI.isReturn() && Op.isUse() && Op.isImplicit())
      return false;
    if (TRI.regsOverlap(Op.getReg(), Target.getTargetLowering()->getStackPointerRegisterToSaveRestore()))
      return true;
    for (const MCPhysReg *Saved = MF.getRegInfo().getCalleeSavedRegs(); *Saved; ++Saved)
      if (TRI.regsOverlap(Op.getReg(), *Saved))
        return true;
    return false;
  }
};

char Shrink::ID;

} // namespace

MachineFunctionPass *twin::createShrinkPass() { return new Shrink; }
