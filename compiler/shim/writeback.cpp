// AArch64's loads and stores of several vectors can write back the address behind what they accessed. Unlike for plain
// ones (IndexedModes in shim.cpp), instruction selection cannot be told that there is no such thing.
#include "shim.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/MachineInstrBuilder.h"
#include "llvm/CodeGen/MachineRegisterInfo.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"

using namespace llvm;

// Bytes that the instruction accesses, by its name: LD2i16 (a lane of each register), LD2Rv4s (to all lanes), ST1Threev8b.
// The memory operand may cover more. 0: none of those.
static unsigned accessedBytes(StringRef Name) {
  unsigned Vectors, Lanes, Bits;
  if (!Name.consume_front("LD") && !Name.consume_front("ST"))
    return 0;
  if (Name.consumeInteger(10, Vectors))
    return 0;
  if (Name.consume_front("i"))
    return Name.getAsInteger(10, Bits) ? 0 : Vectors * Bits / 8;
  const bool Replicates = Name.consume_front("R");
  unsigned Registers = StringSwitch<unsigned>(Name.take_until([](char C) { return C == 'v'; }))
                           .Case("One", 1)
                           .Case("Two", 2)
                           .Case("Three", 3)
                           .Case("Four", 4)
                           .Default(0);
  Name = Name.drop_until([](char C) { return C == 'v'; }).drop_front();
  if (Name.consumeInteger(10, Lanes))
    return 0;
  unsigned Bytes = StringSwitch<unsigned>(Name).Case("b", 1).Case("h", 2).Case("s", 4).Case("d", 8).Default(0);
  return Replicates ? Vectors * Bytes : Registers * Lanes * Bytes;
}

// Operands: [address behind], results..., values..., address, increment (the zero register: what was accessed).
static constexpr StringRef Suffix = "_POST";

bool twin::writesBack(const MachineInstr &MI) {
  const MachineFunction &MF = *MI.getMF();
  StringRef Name = MF.getSubtarget().getInstrInfo()->getName(MI.getOpcode());
  if (!Name.consume_back(Suffix) || !accessedBytes(Name))
    return false;
  const Register Increment = MI.getOperand(MI.getNumExplicitOperands() - 1).getReg();
  return Increment.isPhysical() && MF.getRegInfo().isConstantPhysReg(Increment);
}

void twin::splitWriteBack(MachineInstr &MI) {
  const TargetInstrInfo &TII = *MI.getMF()->getSubtarget().getInstrInfo();
  const StringRef Name = TII.getName(MI.getOpcode()).drop_back(Suffix.size());
  MachineBasicBlock &MBB = *MI.getParent();
  MachineInstrBuilder Plain = BuildMI(MBB, MI, MI.getDebugLoc(), TII.get(twin::opcodeNamed(TII, Name)));
  for (const MachineOperand &Op : drop_begin(drop_end(MI.explicit_operands())))
    if (Op.isImm())
      Plain.addImm(Op.getImm());
    else
      Plain.addReg(Op.getReg(), getDefRegState(Op.isDef()), Op.getSubReg());
  Plain.cloneMemRefs(MI);
  BuildMI(MBB, MI, MI.getDebugLoc(), TII.get(twin::opcodeNamed(TII, "ADDXri")), MI.getOperand(0).getReg())
      .addReg(MI.getOperand(MI.getNumExplicitOperands() - 2).getReg())
      .addImm(accessedBytes(Name))
      .addImm(/*shift=*/0);
  MI.eraseFromParent();
}
