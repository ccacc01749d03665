// Defines what LLVM leaves undefined. An operand marked `undef` reads whatever its register holds: behind a uniform call,
// or at the entry of a function, that is another value on each ISA. Such registers are cleared first, so that no
// code reads a register behind a uniform call before it is written, and `twin verify` need not guess which reads matter.
#include "shim.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

namespace {

// The register units that have been written on every path since the function's entry and since calls that destroy them,
// at the begin of each block.
class Written {
  std::vector<BitVector> In;

public:
  explicit Written(const MachineFunction &MF) {
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    In.assign(MF.getNumBlockIDs(), BitVector(TRI.getNumRegUnits(), true));
    LiveRegUnits Entry(TRI);
    Entry.addLiveIns(MF.front());
    // A return reads the link register as undefined if it is not saved.
    Entry.addReg(TRI.getRARegister());
    In[MF.front().getNumber()] = Entry.getBitVector();
    ReversePostOrderTraversal<const MachineFunction *> Order(&MF);
    bool Changed = true;
    while (Changed) {
      Changed = false;
      for (const MachineBasicBlock *MBB : Order) {
        LiveRegUnits Units = before(*MBB);
        for (const MachineInstr &MI : *MBB)
          twin::noteWritten(MI, Units);
        for (const MachineBasicBlock *Next : MBB->successors())
          if (In[Next->getNumber()].test(Units.getBitVector())) {
            In[Next->getNumber()] &= Units.getBitVector();
            Changed = true;
          }
      }
    }
  }

  LiveRegUnits before(const MachineBasicBlock &MBB) const {
    LiveRegUnits Units(*MBB.getParent()->getSubtarget().getRegisterInfo());
    Units.addUnits(In[MBB.getNumber()]);
    return Units;
  }
};

struct Define : twin::MachinePass {
  static char ID;
  Define() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: define undefined registers"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    Written AtBegin(MF);
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF) {
      LiveRegUnits Units = AtBegin.before(MBB);
      for (MachineInstr &MI : make_early_inc_range(MBB)) {
        for (const MachineOperand &Op : MI.operands())
          // A move of a byte may read the register around it as undefined, and an undefined operand may name a register that
          // hides its dependency: what has been written stays.
          if (needsValue(MI, Op))
            if (MCRegister Register = whole(MF, Op.getReg().asMCReg());
                Units.available(Register) && !isLive(MI, Register)) {
              clear(MI, Register);
              Units.addReg(Register);
              Changed = true;
            }
        twin::noteWritten(MI, Units);
      }
    }
    return Changed;
  }

private:
  static bool needsValue(const MachineInstr &MI, const MachineOperand &Op) {
    if (!Op.isReg() || !Op.getReg() || MI.isDebugInstr() || MI.getMF()->getRegInfo().isReserved(Op.getReg().asMCReg()))
      return false;
    if (MI.isImplicitDef())
      return Op.isDef() && !isForUniformCall(MI, Op.getReg());
    if (Op.isDef())
      return keepsPart(MI, Op);
    if (Op.isImplicit() && twin::hasUniformConvention(MI))
      return false;
    // A prologue pushes a register to make room.
    return Op.isUndef() && !MI.getFlag(MachineInstr::FrameSetup) && !isIdiom(MI);
  }

  // Whether it is for a uniform call or jump that `MI` leaves `Register` undefined. The callee does not read it: such are the
  // registers that get no argument (compiler/src/lower/registers.rs, signatures.rs).
  static bool isForUniformCall(const MachineInstr &MI, Register Register) {
    const MachineInstr *Reader = twin::nextReader(MI, Register);
    return Reader && twin::hasUniformConvention(*Reader);
  }

  // Whether the instruction writes a part of its result and keeps the rest, without an operand that would say so.
  static bool keepsPart(const MachineInstr &MI, const MachineOperand &Result) {
    const TargetSubtargetInfo &Target = MI.getMF()->getSubtarget();
    return Target.getInstrInfo()->getPartialRegUpdateClearance(MI, Result.getOperandNo(), Target.getRegisterInfo());
  }

  // Whether the result does not depend on the register, because both operands are the same.
  static bool isIdiom(const MachineInstr &MI) {
    MCRegister Operand;
    unsigned Count = 0;
    for (const MachineOperand &Op : MI.explicit_uses()) {
      if (!Op.isReg() || !Op.isUndef() || (Count++ && Op.getReg() != Operand))
        return false;
      Operand = Op.getReg();
    }
    return Count == 2;
  }

  // Whether the register holds a value in front of `MI`. LLVM's rules say that it cannot if nothing of it is written on some
  // path; should they be broken, clearing it would be wrong code.
  static bool isLive(const MachineInstr &MI, MCRegister Register) {
    const MachineBasicBlock &MBB = *MI.getParent();
    LiveRegUnits Live(*MI.getMF()->getSubtarget().getRegisterInfo());
    Live.addLiveOuts(MBB);
    for (const MachineInstr &Behind : reverse(make_range(MachineBasicBlock::const_iterator(MI), MBB.end())))
      Live.stepBackward(Behind);
    return !Live.available(Register);
  }

  static void clear(MachineInstr &MI, MCRegister Register) {
    MachineBasicBlock &MBB = *MI.getParent();
    auto Place = MI.isTerminator() ? MBB.getFirstTerminator() : MI.getIterator();
    // The short form destroys the flags.
    MachineInstr &Short = build(MBB, Place, Register, /*AllowSideEffects=*/true);
    const TargetRegisterInfo &TRI = *MI.getMF()->getSubtarget().getRegisterInfo();
    bool Destroys = any_of(Short.all_defs(), [&](const MachineOperand &Def) {
      return !TRI.regsOverlap(Def.getReg(), Register) && isLive(*Place, Def.getReg().asMCReg());
    });
    if (Destroys) {
      Short.eraseFromParent();
      build(MBB, Place, Register, /*AllowSideEffects=*/false);
    }
  }

  static MachineInstr &build(MachineBasicBlock &MBB, MachineBasicBlock::iterator Place, MCRegister Register, bool AllowSideEffects) {
    const TargetInstrInfo &TII = *MBB.getParent()->getSubtarget().getInstrInfo();
    DebugLoc Location = MBB.findDebugLoc(Place);
    TII.buildClearRegister(Register, MBB, Place, Location, AllowSideEffects);
    // It may be a pseudo instruction, which nobody would expand any more.
    TII.expandPostRAPseudo(*std::prev(Place));
    return *std::prev(Place);
  }

  // The register around `Register` that is cleared as one.
  static MCRegister whole(const MachineFunction &MF, MCRegister Register) {
    const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
    for (MVT Type : {MVT::i64, MVT::v16i8})
      for (const TargetRegisterClass *Class : TRI.regclasses())
        if (TRI.isTypeLegalForClass(*Class, Type))
          for (MCPhysReg Super : TRI.superregs_inclusive(Register))
            if (Class->contains(Super) && (Type == MVT::v16i8 || TRI.isGeneralPurposeRegister(MF, Super)))
              return Super;
    return Register;
  }
};

char Define::ID;

} // namespace

void twin::noteWritten(const MachineInstr &MI, LiveRegUnits &Units) {
  if (MI.isDebugInstr())
    return;
  for (const MachineOperand &Op : MI.operands())
    if (Op.isRegMask())
      Units.removeRegsNotPreserved(Op.getRegMask());
  for (const MachineOperand &Op : MI.operands())
    if (Op.isReg() && Op.isDef() && Op.getReg())
      Units.addReg(Op.getReg());
  if (const BitVector *Kept = isPoll(MI) ? keptBy(MI) : nullptr) {
    BitVector Both = Units.getBitVector();
    Both &= *Kept;
    Units.clear();
    Units.addUnits(Both);
  }
}

MachineFunctionPass *twin::createDefinePass() { return new Define; }
