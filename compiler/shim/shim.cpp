// Entry points for Rust: hooks the passes into the stock pipelines, and assembles.
#include "shim.h"

#include "llvm/CodeGen/MachineFunction.h"
#include "llvm/CodeGen/MachineInstr.h"
#include "llvm/CodeGen/Passes.h"
#include "llvm/CodeGen/TargetLowering.h"
#include "llvm/CodeGen/TargetPassConfig.h"
#include "llvm/CodeGen/TargetSubtargetInfo.h"
#include "llvm-c/TargetMachine.h"
#include "llvm/IR/Instructions.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCObjectFileInfo.h"
#include "llvm/MC/MCObjectWriter.h"
#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/MCParser/MCTargetAsmParser.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/RegisterTargetPassConfigCallback.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

#include <cstring>
#include <memory>

using namespace llvm;

namespace twin {

thread_local const TwinHost *Host = nullptr;

void MachinePass::violation(const MachineFunction &MF, const std::string &What) const {
  Host->violation(Host->context, ("function `" + MF.getName().str() + "`: " + What).c_str());
}

bool isUniformCall(const MachineInstr &MI) {
  MCSymbol *Label = MI.isCall() ? MI.getPostInstrSymbol() : nullptr;
  return Label && Label->getName().starts_with(".Ltwin");
}

uint32_t siteOf(const MachineInstr &MI) {
  uint32_t Site = 0;
  MI.getPostInstrSymbol()->getName().rsplit('_').second.getAsInteger(10, Site);
  return Site;
}

bool hasUniformCalls(const MachineFunction &MF) {
  for (const MachineBasicBlock &MBB : MF)
    for (const MachineInstr &MI : MBB)
      if (isUniformCall(MI))
        return true;
  return false;
}

MachineOperand *registerMask(MachineInstr &MI) {
  if (MI.isCall())
    for (MachineOperand &Op : MI.operands())
      if (Op.isRegMask())
        return &Op;
  return nullptr;
}

bool hasUniformConvention(const MachineInstr &MI) {
  const MachineOperand *Mask = registerMask(const_cast<MachineInstr &>(MI));
  const MachineFunction &MF = *MI.getMF();
  const TargetRegisterInfo &TRI = *MF.getSubtarget().getRegisterInfo();
  return isUniformCall(MI) || (Mask && Mask->getRegMask() == TRI.getCallPreservedMask(MF, CallingConv::PreserveNone));
}

const MachineInstr *nextReader(const MachineInstr &MI, Register Register) {
  const TargetRegisterInfo *TRI = MI.getMF()->getSubtarget().getRegisterInfo();
  for (const MachineInstr &Behind : make_range(std::next(MachineBasicBlock::const_iterator(MI)), MI.getParent()->end())) {
    if (Behind.readsRegister(Register, TRI))
      return &Behind;
    if (Behind.modifiesRegister(Register, TRI))
      return nullptr;
  }
  return nullptr;
}

unsigned opcodeNamed(const TargetInstrInfo &TII, StringRef Name) {
  for (unsigned Opcode = 0; Opcode < TII.getNumOpcodes(); ++Opcode)
    if (TII.getName(Opcode) == Name)
      return Opcode;
  report_fatal_error("no opcode " + Name);
}

MCRegister registerNamed(const TargetRegisterInfo &TRI, StringRef Name) {
  for (unsigned Register = 1; Register < TRI.getNumRegs(); ++Register)
    if (Name == TRI.getName(Register))
      return Register;
  report_fatal_error("no register " + Name);
}

static void configure(TargetMachine &, legacy::PassManagerBase &, TargetPassConfig *Config) {
  if (!Host)
    return;
  // Base registers for the frame would live across uniform calls; the place pass lays the frame out.
  Config->disablePass(&LocalStackSlotAllocationID);
  // Duplicated calls would have two return addresses under one label.
  Config->disablePass(&EarlyTailDuplicateLegacyID);
  Config->disablePass(&TailDuplicateLegacyID);
  // Of passes behind the same one, the one that is named last runs first.
  Config->insertPass(&FinalizeISelID, createTestPass());
  Config->insertPass(&FinalizeISelID, createLabelPass());
  Config->insertPass(&FinalizeISelID, createUnreachablePass());
  Config->insertPass(&DetectDeadLanesID, createRematerialisePass());
  Config->insertPass(&VirtRegRewriterID, createReleasePass());
  Config->insertPass(&ShrinkWrapID, createPlacePass());
  Config->insertPass(&ShrinkWrapID, createShrinkPass());
  Config->insertPass(&PrologEpilogCodeInserterID, createMapPass());
  Config->insertPass(&PrologEpilogCodeInserterID, createRecordPass());
  Config->insertPass(&PrologEpilogCodeInserterID, createFrameReportPass());
  Config->insertPass(&FEntryInserterID, createOrderPass());
  Config->insertPass(&FEntryInserterID, createFaultPass());
  // Behind the passes of the target that know better which undefined register to read.
  Config->insertPass(&FuncletLayoutID, createDefinePass());
  // After branch relaxation, which takes a block for one without branches if a label follows them.
  Config->insertPass(&UnpackMachineBundlesID, createPadPass());
}

} // namespace twin

/// Hooks the passes into every code generator of this process. Call once.
extern "C" void twin_install_passes() {
  static RegisterTargetPassConfigCallback Callback{twin::configure};
}

/// One section for each function and datum, so that the linker can place them one by one.
extern "C" void twin_configure_target(LLVMTargetMachineRef machine) {
  TargetOptions &Options = reinterpret_cast<TargetMachine *>(machine)->Options;
  Options.FunctionSections = Options.DataSections = true;
  Options.UseInitArray = true;
}

namespace {
// The setters are for the constructors of targets; here one target is set up as another would be.
struct IndexedModes : TargetLowering {
  static void disable(TargetLowering &TLI) {
    using Setter = void (TargetLoweringBase::*)(ArrayRef<unsigned>, ArrayRef<MVT>, LegalizeAction);
    Setter Load = &IndexedModes::setIndexedLoadAction, Store = &IndexedModes::setIndexedStoreAction;
    std::vector<MVT> Types;
    for (MVT VT : MVT::all_valuetypes())
      Types.push_back(VT);
    SmallVector<unsigned, 4> Modes{ISD::PRE_INC, ISD::PRE_DEC, ISD::POST_INC, ISD::POST_DEC};
    (TLI.*Load)(Modes, Types, Expand);
    (TLI.*Store)(Modes, Types, Expand);
  }
};
} // namespace

/// Instruction selection must not use loads and stores that also write back an address: nobody can compute that
/// address again behind a uniform call. (AArch64 forms them once more after register allocation.)
extern "C" void twin_disable_indexed_modes(LLVMTargetMachineRef machine, LLVMValueRef function) {
  const auto *Machine = reinterpret_cast<TargetMachine *>(machine);
  const TargetSubtargetInfo *Subtarget = Machine->getSubtargetImpl(*unwrap<Function>(function));
  IndexedModes::disable(const_cast<TargetLowering &>(*Subtarget->getTargetLowering()));
}

/// Splits the block of `instruction` before it and returns the new second half (the C interface cannot).
extern "C" LLVMBasicBlockRef twin_split_before(LLVMValueRef instruction) {
  Instruction *I = unwrap<Instruction>(instruction);
  return wrap(I->getParent()->splitBasicBlock(I));
}

/// Puts one block on all edges from `count` blocks to another one.
extern "C" LLVMBasicBlockRef twin_split_edges(LLVMBasicBlockRef *from, size_t count, LLVMBasicBlockRef to) {
  SmallVector<BasicBlock *, 4> From;
  for (LLVMBasicBlockRef Block : ArrayRef(from, count))
    From.push_back(unwrap(Block));
  return wrap(SplitBlockPredecessors(unwrap(to), From, ".twin"));
}

/// Makes `host` (or null: no Twin passes) the host of the code generator on the calling thread.
extern "C" void twin_set_host(const TwinHost *host) { twin::Host = host; }

static void note(const SMDiagnostic &D, std::string &Diagnostics) {
  if (D.getKind() == SourceMgr::DK_Error)
    Diagnostics += (Twine(D.getLineNo()) + "\t" + D.getMessage() + ": " + D.getLineContents().trim() + "\n").str();
}

/// Assembles `text` for `triple`. On success the object is in `*object` (free with `free`) and 0 is returned, else
/// `*object` holds the diagnostics, a line each: the number of a line of `text` (not positive if none), a tab, the message.
extern "C" int twin_assemble(const char *triple, const char *cpu, const char *features, const char *text,
                             uint64_t length, char **object, uint64_t *size) {
  auto Give = [&](StringRef Bytes, int Status) {
    *object = static_cast<char *>(malloc(Bytes.size() + 1));
    memcpy(*object, Bytes.data(), Bytes.size());
    *size = Bytes.size();
    return Status;
  };
  Triple TT(triple);
  std::string Error;
  const Target *T = TargetRegistry::lookupTarget(TT, Error);
  if (!T)
    return Give("0\t" + Error, 1);

  std::string Diagnostics;
  SourceMgr Sources;
  Sources.setDiagHandler([](const SMDiagnostic &D, void *Out) { note(D, *static_cast<std::string *>(Out)); },
                         &Diagnostics);
  Sources.AddNewSourceBuffer(MemoryBuffer::getMemBufferCopy(StringRef(text, length), "twin"), SMLoc());

  MCTargetOptions Options;
  std::unique_ptr<MCRegisterInfo> Registers(T->createMCRegInfo(TT));
  std::unique_ptr<MCAsmInfo> Info(T->createMCAsmInfo(*Registers, TT, Options));
  std::unique_ptr<MCSubtargetInfo> Subtarget(T->createMCSubtargetInfo(TT, cpu, features));
  std::unique_ptr<MCInstrInfo> Instructions(T->createMCInstrInfo());
  MCContext Context(TT, Info.get(), Registers.get(), Subtarget.get(), &Sources, &Options);
  // What is found when the text has been read, such as a branch out of reach.
  Context.setDiagnosticHandler(
      [&](const SMDiagnostic &D, bool, const SourceMgr &, std::vector<const MDNode *> &) { note(D, Diagnostics); });
  std::unique_ptr<MCObjectFileInfo> Sections(T->createMCObjectFileInfo(Context, /*PIC=*/false));
  Context.setObjectFileInfo(Sections.get());

  SmallVector<char, 0> Bytes;
  raw_svector_ostream Out(Bytes);
  std::unique_ptr<MCAsmBackend> Backend(T->createMCAsmBackend(*Subtarget, *Registers, Options));
  std::unique_ptr<MCObjectWriter> Writer = Backend->createObjectWriter(Out);
  std::unique_ptr<MCCodeEmitter> Emitter(T->createMCCodeEmitter(*Instructions, Context));
  std::unique_ptr<MCStreamer> Streamer(T->createMCObjectStreamer(
      TT, Context, std::move(Backend), std::move(Writer), std::move(Emitter), *Subtarget));
  std::unique_ptr<MCAsmParser> Parser(createMCAsmParser(Sources, Context, *Streamer, *Info));
  std::unique_ptr<MCTargetAsmParser> TargetParser(
      T->createMCAsmParser(*Subtarget, *Parser, *Instructions, Options));
  Parser->setTargetParser(*TargetParser);
  if (Parser->Run(/*NoInitialTextSection=*/false) || !Diagnostics.empty())
    return Give(Diagnostics, 1);
  return Give(StringRef(Bytes.data(), Bytes.size()), 0);
}
