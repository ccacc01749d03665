// Defines what LLVM leaves undefined. An operand marked `undef` reads whatever its register holds: behind a uniform call,
// or at the entry of a function, that is another value on each ISA. Such registers are cleared first, so that no
// code reads a register behind a uniform call before it is written, and `twin verify` need not guess which reads matter.
#include "shim.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/CodeGen/LivePhysRegs.h"
#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetInstrInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

namespace {

// Which register units have not been written since the function's entry or since a call, on some path.
class Undefined {
  const MachineFunction &MF;
  const TargetRegisterInfo &TRI;
  std::vector<BitVector> In;

public:
  explicit Undefined(const MachineFunction &MF)
      : MF(MF), TRI(*MF.getSubtarget().getRegisterInfo()), In(MF.getNumBlockIDs(), BitVector(TRI.getNumRegUnits())) {
    BitVector &Entry = In[MF.front().getNumber()];
    Entry.set();
    for (const auto &Argument : MF.front().liveins())
      write(Argument.PhysReg, Entry);
    // A return reads the link register as undefined if it is not saved.
    write(TRI.getRARegister(), Entry);
    ReversePostOrderTraversal<const MachineFunction *> Order(&MF);
    bool Changed = true;
    while (Changed) {
      Changed = false;
      for (const MachineBasicBlock *MBB : Order) {
        BitVector Units = In[MBB->getNumber()];
        for (const MachineInstr &MI : *MBB)
          step(MI, Units);
        for (const MachineBasicBlock *Next : MBB->successors())
          if (Units.test(In[Next->getNumber()])) {
            In[Next->getNumber()] |= Units;
            Changed = true;
          }
      }
    }
  }

  BitVector before(const MachineBasicBlock &MBB) const { return In[MBB.getNumber()]; }

  void step(const MachineInstr &MI, BitVector &Units) const {
    if (MI.isDebugInstr())
      return;
    for (const MachineOperand &Op : MI.operands())
      if (Op.isRegMask())
        for (MCRegUnit Unit : TRI.regunits())
          for (MCRegUnitRootIterator Root(Unit, &TRI); Root.isValid(); ++Root)
            if (Op.clobbersPhysReg(*Root))
              Units.set(static_cast<unsigned>(Unit));
    for (const MachineOperand &Op : MI.operands())
      if (Op.isReg() && Op.isDef() && Op.getReg())
        write(Op.getReg(), Units);
  }

  void write(MCRegister Register, BitVector &Units) const {
    for (MCRegUnit Unit : TRI.regunits(Register))
      Units.reset(static_cast<unsigned>(Unit));
  }

  // Whether nothing of the register has been written.
  bool contains(MCRegister Register, const BitVector &Units) const {
    return all_of(TRI.regunits(Register), [&](MCRegUnit Unit) { return Units.test(static_cast<unsigned>(Unit)); });
  }
};

struct Define : twin::MachinePass {
  static char ID;
  Define() : MachinePass(ID) {}
  StringRef getPassName() const override { return "Twin: define undefined registers"; }

  bool runOnMachineFunction(MachineFunction &MF) override {
    Undefined State(MF);
    bool Changed = false;
    for (MachineBasicBlock &MBB : MF) {
      BitVector Units = State.before(MBB);
      for (MachineInstr &MI : make_early_inc_range(MBB)) {
        for (const MachineOperand &Op : MI.operands())
          // A move of a byte may read the whole register around it as undefined: what has been written stays.
          if (needsValue(MI, Op))
            if (MCRegister Register = whole(MF, Op.getReg().asMCReg());
                State.contains(Register, Units) && !isLive(MI, Register)) {
              clear(MI, Register);
              State.write(Register, Units);
              Changed = true;
            }
        State.step(MI, Units);
      }
    }
    return Changed;
  }

private:
  static bool needsValue(const MachineInstr &MI, const MachineOperand &Op) {
    if (!Op.isReg() || !Op.getReg() || MI.isDebugInstr() || MI.getMF()->getRegInfo().isReserved(Op.getReg().asMCReg()))
      return false;
    if (MI.isImplicitDef())
      return Op.isDef();
    if (Op.isDef())
      return keepsPart(MI, Op);
    // A prologue pushes a register to make room.
    return Op.isUndef() && !MI.getFlag(MachineInstr::FrameSetup) && !isIdiom(MI);
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

  // Whether the register holds a value in front of `MI`: some passes let an undefined operand name such a register.
  static bool isLive(const MachineInstr &MI, MCRegister Register) {
    const MachineBasicBlock &MBB = *MI.getParent();
    LivePhysRegs Live(*MI.getMF()->getSubtarget().getRegisterInfo());
    Live.addLiveOuts(MBB);
    for (const MachineInstr &Behind : reverse(make_range(MachineBasicBlock::const_iterator(MI), MBB.end())))
      Live.stepBackward(Behind);
    return !Live.available(MI.getMF()->getRegInfo(), Register);
  }

  static void clear(MachineInstr &MI, MCRegister Register) {
    const MachineFunction &MF = *MI.getMF();
    MachineBasicBlock &MBB = *MI.getParent();
    const TargetInstrInfo &TII = *MF.getSubtarget().getInstrInfo();
    auto Place = MI.isTerminator() ? MBB.getFirstTerminator() : MI.getIterator();
    DebugLoc Location = MI.getDebugLoc();
    TII.buildClearRegister(Register, MBB, Place, Location, /*AllowSideEffects=*/false);
    // It may be a pseudo instruction, which nobody would expand any more.
    TII.expandPostRAPseudo(*std::prev(Place));
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

MachineFunctionPass *twin::createDefinePass() { return new Define; }
