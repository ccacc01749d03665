// Frames without a frame pointer: the word below the return address holds nothing, and what code generators do with it is
// taken away. AArch64 saves x29 there next to x30; restored behind a hop it would be what x86-64 left in that word, so
// the zero register takes its place. x86-64 makes room for the word by pushing a register that nobody has set.
#include "shim.h"

#include "llvm/CodeGen/MachineFrameInfo.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/TargetFrameLowering.h"
#include "llvm/CodeGen/TargetLowering.h"
#include "llvm/CodeGen/TargetOpcodes.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm/MC/MCDwarf.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace {

struct Record : twin::MachinePass {
  static char ID;
  Record() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: frames without a frame pointer"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    if (!twin::hasUniformCalls(MF) || MF.getSubtarget().getFrameLowering()->hasFP(MF))
      return false;
    bool AArch64 = MF.getTarget().getTargetTriple().isAArch64();
    checkSaves(MF, AArch64);
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF)
      for (MachineInstr &MI : make_early_inc_range(MBB))
        if (MI.getFlag(MachineInstr::FrameSetup) || MI.getFlag(MachineInstr::FrameDestroy))
          Changed |= AArch64 ? dropRegister(MI) : dropPush(MI);
    return Changed;
  }

private:
  // Only AArch64 saves anything: the return address at CFA-8, and x29.
  void checkSaves(const MachineFunction &MF, bool AArch64) const {
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    int64_t Link = 0;
    for (const CalleeSavedInfo &Saved : MF.getFrameInfo().getCalleeSavedInfo())
      if (AArch64 && Saved.getReg() == TRI.getRARegister())
        Link = MF.getFrameInfo().getObjectOffset(Saved.getFrameIdx());
      else if (!AArch64 || Saved.getReg() != framePointer(TRI))
        violation(MF, "register " + std::string(TRI.getName(Saved.getReg())) + " is saved in a frame without frame pointer");
    if (Link != (AArch64 ? -8 : 0))
      violation(MF, "the return address is saved at CFA" + std::to_string(Link) + " instead of CFA-8");
  }

  // AArch64's.
  static MCRegister framePointer(const TargetRegisterInfo &TRI) {
    static const MCRegister Register = twin::registerNamed(TRI, "FP");
    return Register;
  }

  static bool dropRegister(MachineInstr &MI) {
    const MachineFunction &MF = *MI.getMF();
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    static const MCRegister Zero = twin::registerNamed(TRI, "XZR");
    const MCRegister FramePointer = framePointer(TRI);
    if (MI.isCFIInstruction()) {
      const MCCFIInstruction &CFI = MF.getFrameInstructions()[MI.getOperand(0).getCFIIndex()];
      bool Rule = CFI.getOperation() == MCCFIInstruction::OpOffset || CFI.getOperation() == MCCFIInstruction::OpRestore;
      if (!Rule || CFI.getRegister() != unsigned(TRI.getDwarfRegNum(FramePointer, /*isEH=*/true)))
        return false;
      MI.eraseFromParent();
      return true;
    }
    bool Changed = false;
    for (MachineOperand &Op : MI.operands())
      if (Op.isReg() && Op.getReg() == FramePointer) {
        Op.setReg(Zero);
        Changed = true;
      }
    return Changed;
  }

  static bool dropPush(MachineInstr &MI) {
    const TargetInstrInfo &TII = *MI.getMF()->getSubtarget().getInstrInfo();
    static const unsigned Push = twin::opcodeNamed(TII, "PUSH64r"), Pop = twin::opcodeNamed(TII, "POP64r"),
                          Lea = twin::opcodeNamed(TII, "LEA64r");
    if (MI.getOpcode() != Push && MI.getOpcode() != Pop)
      return false;
    // Unlike additions it spares the flags.
    MCRegister SP = MI.getMF()->getSubtarget().getTargetLowering()->getStackPointerRegisterToSaveRestore();
    int64_t Distance = MI.getOpcode() == Push ? -8 : 8;
    BuildMI(*MI.getParent(), MI, MI.getDebugLoc(), TII.get(Lea), SP)
        .addReg(SP)
        .addImm(1)
        .addReg(MCRegister())
        .addImm(Distance)
        .addReg(MCRegister())
        .setMIFlags(MI.getFlags());
    MI.eraseFromParent();
    return true;
  }
};

char Record::ID;

} // namespace

MachineFunctionPass *twin::createRecordPass() { return new Record; }
