//! A thin, copyable view of LLVM IR over the LLVM-C interface.
//!
//! inkwell's typed wrappers stop short of what rewriting passes need (moving bodies, editing attributes of call
//! sites, walking all uses), hence this layer. The handles are plain pointers into a module that the caller keeps
//! alive; passes run on one thread and never keep a handle of an erased instruction.
#![allow(clippy::not_unsafe_ptr_arg_deref)]

use inkwell::llvm_sys::core::*;
use inkwell::llvm_sys::debuginfo::*;
use inkwell::llvm_sys::prelude::*;
use inkwell::llvm_sys::target::*;
use inkwell::llvm_sys::*;
use inkwell::targets::TargetMachine;
use std::ffi::{CStr, CString, c_char, c_uint};

/// `CallingConv::PreserveNone` of LLVM (llvm/IR/CallingConv.h).
pub const PRESERVE_NONE: c_uint = 21;
/// Index of function attributes in LLVM's attribute lists.
pub const FUNCTION_INDEX: c_uint = !0;
/// Index of return-value attributes in LLVM's attribute lists.
pub const RETURN_INDEX: c_uint = 0;

/// An IR type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Type(pub LLVMTypeRef);

/// An IR value: instruction, argument, constant, global or function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Value(pub LLVMValueRef);

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Block(pub LLVMBasicBlockRef);

/// A module together with its data layout.
#[derive(Clone, Copy)]
pub struct Module {
    /// The module.
    pub raw: LLVMModuleRef,
    /// Its context.
    pub context: LLVMContextRef,
    /// Its data layout.
    pub layout: LLVMTargetDataRef,
}

// SAFETY (whole module): every handle is obtained from LLVM for a live module and only used while it lives; the calls
// below have no other preconditions than the kinds of value that their callers have checked.
macro_rules! llvm {
    ($call:expr) => {
        // SAFETY: see the note above.
        unsafe { $call }
    };
}

fn list<T: Copy>(first: T, next: impl Fn(T) -> T, is_null: impl Fn(T) -> bool) -> Vec<T> {
    let mut all = Vec::new();
    let mut at = first;
    while !is_null(at) {
        all.push(at);
        at = next(at);
    }
    all
}

fn text(ptr: *const c_char, length: usize) -> String {
    if ptr.is_null() {
        return String::new();
    }
    let bytes = llvm!(std::slice::from_raw_parts(ptr.cast::<u8>(), length));
    String::from_utf8_lossy(bytes).into_owned()
}

fn c(name: &str) -> CString {
    CString::new(name).expect("IR names have no NUL")
}

/// The number of the enum attribute `name`.
pub fn attribute_kind(name: &str) -> c_uint {
    llvm!(LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len()))
}

impl Module {
    /// Wraps an inkwell module.
    pub fn new(module: &inkwell::module::Module) -> Module {
        let raw = module.as_mut_ptr();
        llvm!(Module { raw, context: LLVMGetModuleContext(raw), layout: LLVMGetModuleDataLayout(raw) })
    }

    /// All functions, declarations included.
    pub fn functions(self) -> Vec<Value> {
        list(llvm!(LLVMGetFirstFunction(self.raw)), |f| llvm!(LLVMGetNextFunction(f)), |f| f.is_null())
            .into_iter()
            .map(Value)
            .collect()
    }

    /// All functions with a body.
    pub fn definitions(self) -> Vec<Value> {
        self.functions().into_iter().filter(|f| !f.is_declaration()).collect()
    }

    /// All global variables.
    pub fn globals(self) -> Vec<Value> {
        list(llvm!(LLVMGetFirstGlobal(self.raw)), |g| llvm!(LLVMGetNextGlobal(g)), |g| g.is_null())
            .into_iter()
            .map(Value)
            .collect()
    }

    /// All aliases.
    pub fn aliases(self) -> Vec<Value> {
        list(llvm!(LLVMGetFirstGlobalAlias(self.raw)), |g| llvm!(LLVMGetNextGlobalAlias(g)), |g| g.is_null())
            .into_iter()
            .map(Value)
            .collect()
    }

    /// Number of GNU indirect functions.
    pub fn has_ifuncs(self) -> bool {
        !llvm!(LLVMGetFirstGlobalIFunc(self.raw)).is_null()
    }

    /// Module-level inline assembly.
    pub fn inline_asm(self) -> String {
        let mut length = 0;
        let ptr = llvm!(LLVMGetModuleInlineAsm(self.raw, &mut length));
        text(ptr, length)
    }

    /// The function `name`, declared with `ty` when it is not there yet.
    pub fn function(self, name: &str, ty: Type) -> Value {
        let name = c(name);
        let found = llvm!(LLVMGetNamedFunction(self.raw, name.as_ptr()));
        if found.is_null() { Value(llvm!(LLVMAddFunction(self.raw, name.as_ptr(), ty.0))) } else { Value(found) }
    }

    /// The global `name`, declared as external with `ty` when it is not there yet.
    pub fn global(self, name: &str, ty: Type) -> Value {
        let name = c(name);
        let found = llvm!(LLVMGetNamedGlobal(self.raw, name.as_ptr()));
        if found.is_null() { Value(llvm!(LLVMAddGlobal(self.raw, ty.0, name.as_ptr()))) } else { Value(found) }
    }

    /// A new constant array of `length` pointers without a symbol, so that it belongs to the code of one ISA.
    pub fn private_table(self, name: &str, length: u64) -> Value {
        let name = c(name);
        llvm!({
            let table = LLVMAddGlobal(self.raw, LLVMArrayType2(self.ptr().0, length), name.as_ptr());
            LLVMSetGlobalConstant(table, 1);
            LLVMSetLinkage(table, LLVMLinkage::LLVMPrivateLinkage);
            Value(table)
        })
    }

    /// The declaration of intrinsic `name`, overloaded on `types`.
    pub fn intrinsic(self, name: &str, types: &[Type]) -> Value {
        let mut types: Vec<_> = types.iter().map(|t| t.0).collect();
        llvm!({
            let id = LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len());
            Value(LLVMGetIntrinsicDeclaration(self.raw, id, types.as_mut_ptr(), types.len()))
        })
    }

    /// The integer type of `bits` bits.
    pub fn int(self, bits: u32) -> Type {
        Type(llvm!(LLVMIntTypeInContext(self.context, bits)))
    }

    /// The pointer type.
    pub fn ptr(self) -> Type {
        Type(llvm!(LLVMPointerTypeInContext(self.context, 0)))
    }

    /// The void type.
    pub fn void(self) -> Type {
        Type(llvm!(LLVMVoidTypeInContext(self.context)))
    }

    /// `[bytes x i8]`.
    pub fn bytes(self, bytes: u64) -> Type {
        Type(llvm!(LLVMArrayType2(self.int(8).0, bytes)))
    }

    /// The function type `(params) -> ret`.
    pub fn function_type(self, ret: Type, params: &[Type], variadic: bool) -> Type {
        let mut params: Vec<_> = params.iter().map(|t| t.0).collect();
        Type(llvm!(LLVMFunctionType(ret.0, params.as_mut_ptr(), params.len() as c_uint, variadic.into())))
    }

    /// Bits of a value of type `ty`.
    pub fn bits(self, ty: Type) -> u64 {
        llvm!(LLVMSizeOfTypeInBits(self.layout, ty.0))
    }

    /// Bytes that a store of `ty` writes.
    pub fn store_size(self, ty: Type) -> u64 {
        llvm!(LLVMStoreSizeOfType(self.layout, ty.0))
    }

    /// Bytes from one array element of `ty` to the next.
    pub fn alloc_size(self, ty: Type) -> u64 {
        llvm!(LLVMABISizeOfType(self.layout, ty.0))
    }

    /// ABI alignment of `ty` in bytes.
    pub fn abi_align(self, ty: Type) -> u64 {
        llvm!(LLVMABIAlignmentOfType(self.layout, ty.0)).into()
    }

    /// A constant of type i64.
    pub fn i64(self, value: u64) -> Value {
        self.int(64).constant(value)
    }

    /// A builder positioned before `instruction`.
    pub fn before(self, instruction: Value) -> Builder {
        let builder = Builder { raw: llvm!(LLVMCreateBuilderInContext(self.context)), module: self };
        llvm!(LLVMPositionBuilderBefore(builder.raw, instruction.0));
        builder
    }

    /// A builder positioned at the end of `block`.
    pub fn at_end(self, block: Block) -> Builder {
        let builder = Builder { raw: llvm!(LLVMCreateBuilderInContext(self.context)), module: self };
        llvm!(LLVMPositionBuilderAtEnd(builder.raw, block.0));
        builder
    }

    /// An enum attribute without value.
    pub fn attribute(self, name: &str) -> LLVMAttributeRef {
        llvm!(LLVMCreateEnumAttribute(self.context, attribute_kind(name), 0))
    }

    /// A string attribute.
    pub fn string_attribute(self, name: &str, value: &str) -> LLVMAttributeRef {
        llvm!(LLVMCreateStringAttribute(
            self.context,
            name.as_ptr().cast(),
            name.len() as c_uint,
            value.as_ptr().cast(),
            value.len() as c_uint
        ))
    }
}

impl Type {
    /// What sort of type it is.
    pub fn kind(self) -> LLVMTypeKind {
        llvm!(LLVMGetTypeKind(self.0))
    }

    /// Whether it is void.
    pub fn is_void(self) -> bool {
        self.kind() == LLVMTypeKind::LLVMVoidTypeKind
    }

    /// Whether it is a vector.
    pub fn is_vector(self) -> bool {
        self.kind() == LLVMTypeKind::LLVMVectorTypeKind
    }

    /// Width of an integer type in bits.
    pub fn int_bits(self) -> u32 {
        llvm!(LLVMGetIntTypeWidth(self.0))
    }

    /// Fields of a struct type.
    pub fn fields(self) -> Vec<Type> {
        (0..llvm!(LLVMCountStructElementTypes(self.0)))
            .map(|i| Type(llvm!(LLVMStructGetTypeAtIndex(self.0, i))))
            .collect()
    }

    /// Element type and length of an array type.
    pub fn array(self) -> (Type, u64) {
        llvm!((Type(LLVMGetElementType(self.0)), LLVMGetArrayLength2(self.0)))
    }

    /// Element type and length of a vector type.
    pub fn vector(self) -> (Type, u64) {
        llvm!((Type(LLVMGetElementType(self.0)), u64::from(LLVMGetVectorSize(self.0))))
    }

    /// Parameter types of a function type.
    pub fn params(self) -> Vec<Type> {
        let mut params = vec![std::ptr::null_mut(); llvm!(LLVMCountParamTypes(self.0)) as usize];
        llvm!(LLVMGetParamTypes(self.0, params.as_mut_ptr()));
        params.into_iter().map(Type).collect()
    }

    /// Return type of a function type.
    pub fn ret(self) -> Type {
        Type(llvm!(LLVMGetReturnType(self.0)))
    }

    /// Whether a function type is variadic.
    pub fn is_variadic(self) -> bool {
        llvm!(LLVMIsFunctionVarArg(self.0)) != 0
    }

    /// The integer constant `value` of this type.
    pub fn constant(self, value: u64) -> Value {
        Value(llvm!(LLVMConstInt(self.0, value, 0)))
    }

    /// The null value of this type.
    pub fn null(self) -> Value {
        Value(llvm!(LLVMConstNull(self.0)))
    }

    /// A value of this type that nobody reads.
    pub fn poison(self) -> Value {
        Value(llvm!(LLVMGetPoison(self.0)))
    }
}

impl Block {
    /// The instructions in order.
    pub fn instructions(self) -> Vec<Value> {
        list(llvm!(LLVMGetFirstInstruction(self.0)), |i| llvm!(LLVMGetNextInstruction(i)), |i| i.is_null())
            .into_iter()
            .map(Value)
            .collect()
    }

    /// The terminator.
    pub fn terminator(self) -> Value {
        Value(llvm!(LLVMGetBasicBlockTerminator(self.0)))
    }

    /// Successors, with repetitions.
    pub fn successors(self) -> Vec<Block> {
        let terminator = self.terminator();
        (0..llvm!(LLVMGetNumSuccessors(terminator.0)))
            .map(|i| Block(llvm!(LLVMGetSuccessor(terminator.0, i))))
            .collect()
    }

    /// The block as a value of label type.
    pub fn as_value(self) -> Value {
        Value(llvm!(LLVMBasicBlockAsValue(self.0)))
    }

    /// The first instruction that is not a phi.
    pub fn first_non_phi(self) -> Value {
        self.instructions().into_iter().find(|i| !i.is_phi()).expect("a block ends in a terminator")
    }

    /// The function around it.
    pub fn function(self) -> Value {
        Value(llvm!(LLVMGetBasicBlockParent(self.0)))
    }
}

impl Value {
    /// The name; empty for unnamed values.
    pub fn name(self) -> String {
        let mut length = 0;
        let ptr = llvm!(LLVMGetValueName2(self.0, &mut length));
        text(ptr, length)
    }

    /// Renames.
    pub fn set_name(self, name: &str) {
        llvm!(LLVMSetValueName2(self.0, name.as_ptr().cast(), name.len()));
    }

    /// The type.
    pub fn ty(self) -> Type {
        Type(llvm!(LLVMTypeOf(self.0)))
    }

    /// IR text, for messages.
    pub fn print(self) -> String {
        llvm!({
            let raw = LLVMPrintValueToString(self.0);
            let printed = CStr::from_ptr(raw).to_string_lossy().trim().to_owned();
            LLVMDisposeMessage(raw);
            printed
        })
    }

    /// Whether it is a constant.
    pub fn is_constant(self) -> bool {
        llvm!(LLVMIsConstant(self.0)) != 0
    }

    /// Whether it is an instruction.
    pub fn is_instruction(self) -> bool {
        !llvm!(LLVMIsAInstruction(self.0)).is_null()
    }

    /// Whether it is an argument of a function.
    pub fn is_argument(self) -> bool {
        !llvm!(LLVMIsAArgument(self.0)).is_null()
    }

    /// The function, when it is one.
    pub fn as_function(self) -> Option<Value> {
        (!llvm!(LLVMIsAFunction(self.0)).is_null()).then_some(self)
    }

    /// The aliasee, when it is an alias.
    pub fn aliasee(self) -> Option<Value> {
        (!llvm!(LLVMIsAGlobalAlias(self.0)).is_null()).then(|| Value(llvm!(LLVMAliasGetAliasee(self.0))))
    }

    /// Whether it is inline assembly.
    pub fn is_inline_asm(self) -> bool {
        !llvm!(LLVMIsAInlineAsm(self.0)).is_null()
    }

    /// The integer value, when it is a constant integer of at most 64 bits.
    pub fn constant_int(self) -> Option<u64> {
        (!llvm!(LLVMIsAConstantInt(self.0)).is_null() && self.ty().int_bits() <= 64)
            .then(|| llvm!(LLVMConstIntGetZExtValue(self.0)))
    }

    /// The constant expression `inttoptr`.
    pub fn constant_to_ptr(self, module: Module) -> Value {
        Value(llvm!(LLVMConstIntToPtr(self.0, module.ptr().0)))
    }

    /// The opcode of an instruction.
    pub fn opcode(self) -> LLVMOpcode {
        llvm!(LLVMGetInstructionOpcode(self.0))
    }

    /// Whether it is a phi.
    pub fn is_phi(self) -> bool {
        self.is_instruction() && self.opcode() == LLVMOpcode::LLVMPHI
    }

    /// Whether it is a call instruction.
    pub fn is_call(self) -> bool {
        self.is_instruction() && self.opcode() == LLVMOpcode::LLVMCall
    }

    /// The block of an instruction.
    pub fn block(self) -> Block {
        Block(llvm!(LLVMGetInstructionParent(self.0)))
    }

    /// The instruction behind it in its block.
    pub fn next(self) -> Value {
        Value(llvm!(LLVMGetNextInstruction(self.0)))
    }

    /// The operands.
    pub fn operands(self) -> Vec<Value> {
        (0..llvm!(LLVMGetNumOperands(self.0)).max(0) as c_uint)
            .map(|i| Value(llvm!(LLVMGetOperand(self.0, i))))
            .collect()
    }

    /// Replaces operand `index`.
    pub fn set_operand(self, index: usize, value: Value) {
        llvm!(LLVMSetOperand(self.0, index as c_uint, value.0));
    }

    /// Replaces operand `index`; in a phi all entries of the same predecessor with it.
    pub fn replace_use(self, index: usize, value: Value) {
        if !self.is_phi() {
            return self.set_operand(index, value);
        }
        let incoming = self.incoming();
        for (other, (_, from)) in incoming.iter().enumerate() {
            if *from == incoming[index].1 {
                self.set_operand(other, value);
            }
        }
    }

    /// The instruction before which a value must be computed to be used as operand `index`.
    pub fn use_place(self, index: usize) -> Value {
        if self.is_phi() { self.incoming()[index].1.terminator() } else { self }
    }

    /// The users, one entry a use.
    pub fn users(self) -> Vec<Value> {
        list(llvm!(LLVMGetFirstUse(self.0)), |u| llvm!(LLVMGetNextUse(u)), |u| u.is_null())
            .into_iter()
            .map(|u| Value(llvm!(LLVMGetUser(u))))
            .collect()
    }

    /// Whether anything uses it.
    pub fn has_uses(self) -> bool {
        !llvm!(LLVMGetFirstUse(self.0)).is_null()
    }

    /// Every use becomes a use of `other`.
    pub fn replace_with(self, other: Value) {
        llvm!(LLVMReplaceAllUsesWith(self.0, other.0));
    }

    /// Moves an instruction in front of `other`.
    pub fn move_before(self, module: Module, other: Value) {
        let builder = module.before(other);
        llvm!({
            LLVMInstructionRemoveFromParent(self.0);
            LLVMInsertIntoBuilder(builder.raw, self.0);
        });
    }

    /// Removes an instruction for good.
    pub fn erase(self) {
        llvm!(LLVMInstructionEraseFromParent(self.0));
    }

    /// Whether this is an undefined constant.
    pub fn is_undefined(self) -> bool {
        llvm!(LLVMIsUndef(self.0)) != 0
    }

    /// Incoming values and blocks of a phi.
    pub fn incoming(self) -> Vec<(Value, Block)> {
        (0..llvm!(LLVMCountIncoming(self.0)))
            .map(|i| llvm!((Value(LLVMGetIncomingValue(self.0, i)), Block(LLVMGetIncomingBlock(self.0, i)))))
            .collect()
    }

    /// Source file and line of an instruction, where debug information tells.
    pub fn source_line(self) -> Option<(String, u32)> {
        llvm!({
            if LLVMInstructionGetDebugLoc(self.0).is_null() {
                return None;
            }
            let mut length = 0;
            let file = LLVMGetDebugLocFilename(self.0, &mut length);
            Some((text(file, length as usize), LLVMGetDebugLocLine(self.0)))
        })
    }
}

/// Calls.
impl Value {
    /// What is called.
    pub fn callee(self) -> Value {
        Value(llvm!(LLVMGetCalledValue(self.0)))
    }

    /// The function that is called directly. Aliases are looked through, unless another module may replace them.
    pub fn called_function(self) -> Option<Value> {
        let callee = self.callee();
        match callee.aliasee() {
            Some(_) if callee.is_interposable() => None,
            Some(function) => function.as_function(),
            None => callee.as_function(),
        }
    }

    /// The intrinsic that is called.
    pub fn called_intrinsic(self) -> Option<String> {
        let function = self.callee().as_function()?;
        let name = function.name();
        name.starts_with("llvm.").then_some(name)
    }

    /// The function type of a call.
    pub fn call_type(self) -> Type {
        Type(llvm!(LLVMGetCalledFunctionType(self.0)))
    }

    /// The arguments of a call.
    pub fn arguments(self) -> Vec<Value> {
        (0..llvm!(LLVMGetNumArgOperands(self.0))).map(|i| Value(llvm!(LLVMGetOperand(self.0, i)))).collect()
    }

    /// Calling convention of a call.
    pub fn call_convention(self) -> c_uint {
        llvm!(LLVMGetInstructionCallConv(self.0))
    }

    /// Sets the calling convention of a call.
    pub fn set_call_convention(self, convention: c_uint) {
        llvm!(LLVMSetInstructionCallConv(self.0, convention));
    }

    /// Whether a call uses nothing of its function's frame.
    pub fn is_tail(self) -> bool {
        llvm!(LLVMGetTailCallKind(self.0)) == LLVMTailCallKind::LLVMTailCallKindTail
    }

    /// Whether the call must be compiled to a jump.
    pub fn is_musttail(self) -> bool {
        llvm!(LLVMGetTailCallKind(self.0)) == LLVMTailCallKind::LLVMTailCallKindMustTail
    }

    /// How the call may be turned into a jump.
    pub fn tail_kind(self) -> LLVMTailCallKind {
        llvm!(LLVMGetTailCallKind(self.0))
    }

    /// Sets how the call may be turned into a jump.
    pub fn set_tail_kind(self, kind: LLVMTailCallKind) {
        llvm!(LLVMSetTailCallKind(self.0, kind));
    }

    /// Attributes of a call at `index`.
    pub fn call_attributes(self, index: c_uint) -> Vec<LLVMAttributeRef> {
        let mut all = vec![std::ptr::null_mut(); llvm!(LLVMGetCallSiteAttributeCount(self.0, index)) as usize];
        llvm!(LLVMGetCallSiteAttributes(self.0, index, all.as_mut_ptr()));
        all
    }

    /// Adds an attribute to a call.
    pub fn add_call_attribute(self, index: c_uint, attribute: LLVMAttributeRef) {
        llvm!(LLVMAddCallSiteAttribute(self.0, index, attribute));
    }

    /// The type of the type attribute `name` (byval, sret) of argument `argument` of a call.
    pub fn call_type_attribute(self, argument: usize, name: &str) -> Option<Type> {
        let raw = llvm!(LLVMGetCallSiteEnumAttribute(self.0, argument as c_uint + 1, attribute_kind(name)));
        (!raw.is_null()).then(|| Type(llvm!(LLVMGetTypeAttributeValue(raw))))
    }

    /// The value of the integer attribute `name` of argument `argument` of a call.
    pub fn call_int_attribute(self, argument: usize, name: &str) -> Option<u64> {
        let raw = llvm!(LLVMGetCallSiteEnumAttribute(self.0, argument as c_uint + 1, attribute_kind(name)));
        (!raw.is_null()).then(|| llvm!(LLVMGetEnumAttributeValue(raw)))
    }

    /// Whether the call or its callee carries function attribute `name`.
    pub fn call_has_attribute(self, name: &str) -> bool {
        let kind = attribute_kind(name);
        !llvm!(LLVMGetCallSiteEnumAttribute(self.0, FUNCTION_INDEX, kind)).is_null()
            || self.called_function().is_some_and(|f| f.has_attribute(FUNCTION_INDEX, name))
    }

    /// Removes attribute `name` from a call.
    pub fn remove_call_attribute(self, index: c_uint, name: &str) {
        llvm!(LLVMRemoveCallSiteEnumAttribute(self.0, index, attribute_kind(name)));
    }

    /// Template and constraints of called inline assembly.
    pub fn asm_text(self) -> (String, String) {
        llvm!({
            let mut length = 0;
            let ptr = LLVMGetInlineAsmAsmString(self.0, &mut length);
            let template = text(ptr, length);
            let ptr = LLVMGetInlineAsmConstraintString(self.0, &mut length);
            (template, text(ptr, length))
        })
    }
}

/// Functions and globals.
impl Value {
    /// Whether there is no body or initialiser.
    pub fn is_declaration(self) -> bool {
        llvm!(LLVMIsDeclaration(self.0)) != 0
    }

    /// Type of a function, or of a global's value.
    pub fn value_type(self) -> Type {
        Type(llvm!(LLVMGlobalGetValueType(self.0)))
    }

    /// The linkage.
    pub fn linkage(self) -> LLVMLinkage {
        llvm!(LLVMGetLinkage(self.0))
    }

    /// Sets the linkage.
    pub fn set_linkage(self, linkage: LLVMLinkage) {
        llvm!(LLVMSetLinkage(self.0, linkage));
    }

    /// Sets the visibility.
    pub fn set_visibility(self, visibility: LLVMVisibility) {
        llvm!(LLVMSetVisibility(self.0, visibility));
    }

    /// Whether no other module can see it.
    pub fn is_local(self) -> bool {
        matches!(self.linkage(), LLVMLinkage::LLVMInternalLinkage | LLVMLinkage::LLVMPrivateLinkage)
    }

    /// Whether the linker may choose another body than this one.
    pub fn is_interposable(self) -> bool {
        use LLVMLinkage::*;
        matches!(
            self.linkage(),
            LLVMWeakAnyLinkage | LLVMLinkOnceAnyLinkage | LLVMExternalWeakLinkage | LLVMCommonLinkage
        )
    }

    /// Blocks of a function in order.
    pub fn blocks(self) -> Vec<Block> {
        list(llvm!(LLVMGetFirstBasicBlock(self.0)), |b| llvm!(LLVMGetNextBasicBlock(b)), |b| b.is_null())
            .into_iter()
            .map(Block)
            .collect()
    }

    /// All instructions of a function.
    pub fn instructions(self) -> Vec<Value> {
        self.blocks().into_iter().flat_map(Block::instructions).collect()
    }

    /// Appends a new block to a function.
    pub fn append_block(self, module: Module, name: &str) -> Block {
        let name = c(name);
        Block(llvm!(LLVMAppendBasicBlockInContext(module.context, self.0, name.as_ptr())))
    }

    /// Inserts a new block before another one.
    pub fn insert_block(module: Module, before: Block, name: &str) -> Block {
        let name = c(name);
        Block(llvm!(LLVMInsertBasicBlockInContext(module.context, before.0, name.as_ptr())))
    }

    /// Parameters of a function.
    pub fn params(self) -> Vec<Value> {
        (0..llvm!(LLVMCountParams(self.0))).map(|i| Value(llvm!(LLVMGetParam(self.0, i)))).collect()
    }

    /// Calling convention of a function.
    pub fn convention(self) -> c_uint {
        llvm!(LLVMGetFunctionCallConv(self.0))
    }

    /// Sets the calling convention of a function.
    pub fn set_convention(self, convention: c_uint) {
        llvm!(LLVMSetFunctionCallConv(self.0, convention));
    }

    /// Whether the function has attribute `name` at `index`.
    pub fn has_attribute(self, index: c_uint, name: &str) -> bool {
        !llvm!(LLVMGetEnumAttributeAtIndex(self.0, index, attribute_kind(name))).is_null()
    }

    /// Attributes of a function at `index`.
    pub fn attributes(self, index: c_uint) -> Vec<LLVMAttributeRef> {
        let mut all = vec![std::ptr::null_mut(); llvm!(LLVMGetAttributeCountAtIndex(self.0, index)) as usize];
        llvm!(LLVMGetAttributesAtIndex(self.0, index, all.as_mut_ptr()));
        all
    }

    /// Adds an attribute to a function.
    pub fn add_attribute(self, index: c_uint, attribute: LLVMAttributeRef) {
        llvm!(LLVMAddAttributeAtIndex(self.0, index, attribute));
    }

    /// The value of a string attribute of a function.
    pub fn string_attribute(self, name: &str) -> Option<String> {
        llvm!({
            let raw = LLVMGetStringAttributeAtIndex(self.0, FUNCTION_INDEX, name.as_ptr().cast(), name.len() as c_uint);
            if raw.is_null() {
                return None;
            }
            let mut length = 0;
            Some(text(LLVMGetStringAttributeValue(raw, &mut length).cast(), length as usize))
        })
    }

    /// Removes an enum attribute from a function.
    pub fn remove_attribute(self, index: c_uint, name: &str) {
        llvm!(LLVMRemoveEnumAttributeAtIndex(self.0, index, attribute_kind(name)));
    }

    /// Removes a string attribute from a function.
    pub fn remove_string_attribute(self, name: &str) {
        llvm!(LLVMRemoveStringAttributeAtIndex(self.0, FUNCTION_INDEX, name.as_ptr().cast(), name.len() as c_uint));
    }

    /// Type of the object that an alloca makes.
    pub fn allocated_type(self) -> Type {
        Type(llvm!(LLVMGetAllocatedType(self.0)))
    }

    /// Alignment of a global, alloca, load or store in bytes; 0 when none is given.
    pub fn alignment(self) -> u64 {
        llvm!(LLVMGetAlignment(self.0)).into()
    }

    /// Sets the alignment of a global, alloca, load or store.
    pub fn set_alignment(self, bytes: u64) {
        llvm!(LLVMSetAlignment(self.0, bytes as c_uint));
    }

    /// Whether a global is thread-local.
    pub fn is_thread_local(self) -> bool {
        llvm!(LLVMIsThreadLocal(self.0)) != 0
    }

    /// The initialiser of a global variable.
    pub fn initializer(self) -> Option<Value> {
        let raw = llvm!(LLVMGetInitializer(self.0));
        (!raw.is_null()).then_some(Value(raw))
    }

    /// Gives a global variable the array of `elements` as its initialiser.
    pub fn initialize_array(self, ty: Type, elements: &[Value]) {
        let mut raw: Vec<_> = elements.iter().map(|e| e.0).collect();
        llvm!(LLVMSetInitializer(self.0, LLVMConstArray2(ty.0, raw.as_mut_ptr(), raw.len() as u64)));
    }

    /// Element `index` of a constant aggregate.
    pub fn element(self, index: u64) -> Option<Value> {
        let raw = llvm!(LLVMGetAggregateElement(self.0, index as c_uint));
        (!raw.is_null()).then_some(Value(raw))
    }

    /// Whether a global variable never changes.
    pub fn is_constant_global(self) -> bool {
        let raw = llvm!(LLVMIsAGlobalVariable(self.0));
        !raw.is_null() && llvm!(LLVMIsGlobalConstant(raw)) != 0
    }

    /// The type whose size is the unit of a `getelementptr`'s first index.
    pub fn indexed_type(self) -> Type {
        Type(llvm!(LLVMGetGEPSourceElementType(self.0)))
    }

    /// Drops a global's licence to be merged with equal ones.
    pub fn keep_address(self) {
        llvm!(LLVMSetUnnamedAddress(self.0, LLVMUnnamedAddr::LLVMNoUnnamedAddr));
    }

    /// Creates an empty function of type `ty` that takes over name, linkage, metadata, function attributes and those at the
    /// indices `kept` (old and new ones), and the body of `self`, and replaces it everywhere. Parameters are left to the
    /// caller, who gets the old ones back.
    pub fn retype(self, module: Module, ty: Type, kept: impl Iterator<Item = (c_uint, c_uint)>) -> (Value, Vec<Value>) {
        let name = self.name();
        let new = Value(llvm!(LLVMAddFunction(module.raw, c"".as_ptr(), ty.0)));
        llvm!({
            LLVMSetLinkage(new.0, self.linkage());
            LLVMSetVisibility(new.0, LLVMGetVisibility(self.0));
            LLVMSetFunctionCallConv(new.0, self.convention());
            if !LLVMGetSection(self.0).is_null() {
                LLVMSetSection(new.0, LLVMGetSection(self.0));
            }
            if self.alignment() != 0 {
                LLVMSetAlignment(new.0, self.alignment() as c_uint);
            }
            let comdat = comdat::LLVMGetComdat(self.0);
            if !comdat.is_null() {
                comdat::LLVMSetComdat(new.0, comdat);
            }
            if LLVMHasPersonalityFn(self.0) != 0 {
                LLVMSetPersonalityFn(new.0, LLVMGetPersonalityFn(self.0));
            }
            let mut count = 0;
            let metadata = LLVMGlobalCopyAllMetadata(self.0, &mut count);
            for n in 0..count as c_uint {
                let kind = LLVMValueMetadataEntriesGetKind(metadata, n);
                LLVMGlobalSetMetadata(new.0, kind, LLVMValueMetadataEntriesGetMetadata(metadata, n));
            }
            LLVMDisposeValueMetadataEntries(metadata);
            LLVMSetSubprogram(self.0, std::ptr::null_mut());
        });
        for (old, index) in std::iter::once((FUNCTION_INDEX, FUNCTION_INDEX)).chain(kept) {
            for attribute in self.attributes(old) {
                new.add_attribute(index, attribute);
            }
        }
        for block in self.blocks() {
            llvm!({
                LLVMRemoveBasicBlockFromParent(block.0);
                LLVMAppendExistingBasicBlock(new.0, block.0);
            });
        }
        self.set_name("");
        new.set_name(&name);
        self.replace_with(new);
        (new, self.params())
    }

    /// Makes a declaration that takes over the name, the attributes and all uses of the definition `self`, which
    /// becomes local.
    pub fn demote(self, module: Module) {
        let name = self.name();
        self.set_name("");
        let ty = self.value_type();
        let new = if ty.kind() == LLVMTypeKind::LLVMFunctionTypeKind {
            module.function(&name, ty)
        } else {
            module.global(&name, ty)
        };
        llvm!({
            if !LLVMIsAFunction(self.0).is_null() {
                new.set_convention(self.convention());
                for index in std::iter::once(FUNCTION_INDEX).chain(0..=LLVMCountParams(self.0)) {
                    for attribute in self.attributes(index) {
                        new.add_attribute(index, attribute);
                    }
                }
            } else if !LLVMIsAGlobalVariable(self.0).is_null() {
                LLVMSetThreadLocalMode(new.0, LLVMGetThreadLocalMode(self.0));
                new.set_alignment(self.alignment());
            }
        });
        self.replace_with(new);
        self.set_visibility(LLVMVisibility::LLVMDefaultVisibility);
        self.set_linkage(LLVMLinkage::LLVMInternalLinkage);
    }

    /// Section of a function or global that has one of its own.
    pub fn section(self) -> Option<String> {
        let raw = llvm!(LLVMGetSection(self.0));
        // SAFETY: LLVM's string ends with NUL.
        (!raw.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(raw) }.to_string_lossy().into_owned())
    }

    /// Deletes a global variable.
    pub fn delete_global(self) {
        llvm!(LLVMDeleteGlobal(self.0));
    }

    /// Deletes a function.
    pub fn delete_function(self) {
        llvm!(LLVMDeleteFunction(self.0));
    }

    /// The block address constant of `block`, for replacing it.
    pub fn block_address(self, block: Block) -> Value {
        Value(llvm!(LLVMBlockAddress(self.0, block.0)))
    }
}

/// Makes instructions at one place.
pub struct Builder {
    raw: LLVMBuilderRef,
    module: Module,
}

impl Drop for Builder {
    fn drop(&mut self) {
        llvm!(LLVMDisposeBuilder(self.raw));
    }
}

impl Builder {
    /// Gives new instructions the debug location of `instruction`.
    pub fn located_like(self, instruction: Value) -> Builder {
        llvm!(LLVMSetCurrentDebugLocation2(self.raw, LLVMInstructionGetDebugLoc(instruction.0)));
        self
    }

    /// `alloca`.
    pub fn alloca(&self, ty: Type, align: u64, name: &str) -> Value {
        let name = c(name);
        let value = Value(llvm!(LLVMBuildAlloca(self.raw, ty.0, name.as_ptr())));
        value.set_alignment(align);
        value
    }

    /// `load`.
    pub fn load(&self, ty: Type, ptr: Value, align: u64) -> Value {
        let value = Value(llvm!(LLVMBuildLoad2(self.raw, ty.0, ptr.0, c"".as_ptr())));
        value.set_alignment(align);
        value
    }

    /// `store`.
    pub fn store(&self, value: Value, ptr: Value, align: u64) -> Value {
        let store = Value(llvm!(LLVMBuildStore(self.raw, value.0, ptr.0)));
        store.set_alignment(align);
        store
    }

    /// Marks an access as volatile.
    pub fn volatile(&self, access: Value) -> Value {
        llvm!(LLVMSetVolatile(access.0, 1));
        access
    }

    /// `getelementptr inbounds i8, ptr, offset`.
    pub fn offset(&self, ptr: Value, offset: Value) -> Value {
        self.element(self.module.int(8), ptr, offset)
    }

    /// `getelementptr inbounds ty, ptr, index`.
    pub fn element(&self, ty: Type, ptr: Value, index: Value) -> Value {
        let mut index = index.0;
        Value(llvm!(LLVMBuildInBoundsGEP2(self.raw, ty.0, ptr.0, &mut index, 1, c"".as_ptr())))
    }

    /// `getelementptr inbounds i8, ptr, constant`.
    pub fn offset_by(&self, ptr: Value, bytes: u64) -> Value {
        self.offset(ptr, self.module.i64(bytes))
    }

    /// `call` with the convention `convention`.
    pub fn call(&self, ty: Type, callee: Value, arguments: &[Value], convention: c_uint) -> Value {
        let mut arguments: Vec<_> = arguments.iter().map(|a| a.0).collect();
        let call = llvm!(LLVMBuildCall2(
            self.raw,
            ty.0,
            callee.0,
            arguments.as_mut_ptr(),
            arguments.len() as c_uint,
            c"".as_ptr()
        ));
        llvm!(LLVMSetInstructionCallConv(call, convention));
        Value(call)
    }

    /// `ptrtoint` to i64.
    pub fn ptr_to_int(&self, ptr: Value) -> Value {
        Value(llvm!(LLVMBuildPtrToInt(self.raw, ptr.0, self.module.int(64).0, c"".as_ptr())))
    }

    /// `inttoptr`.
    pub fn int_to_ptr(&self, int: Value) -> Value {
        Value(llvm!(LLVMBuildIntToPtr(self.raw, int.0, self.module.ptr().0, c"".as_ptr())))
    }

    /// `and`.
    pub fn and(&self, a: Value, b: Value) -> Value {
        Value(llvm!(LLVMBuildAnd(self.raw, a.0, b.0, c"".as_ptr())))
    }

    /// `add`.
    pub fn add(&self, a: Value, b: Value) -> Value {
        Value(llvm!(LLVMBuildAdd(self.raw, a.0, b.0, c"".as_ptr())))
    }

    /// `mul`.
    pub fn mul(&self, a: Value, b: Value) -> Value {
        Value(llvm!(LLVMBuildMul(self.raw, a.0, b.0, c"".as_ptr())))
    }

    /// A binary operation.
    pub fn binary(&self, opcode: LLVMOpcode, a: Value, b: Value) -> Value {
        Value(llvm!(LLVMBuildBinOp(self.raw, opcode, a.0, b.0, c"".as_ptr())))
    }

    /// `zext`, `sext` or `trunc` to `ty`.
    pub fn int_cast(&self, value: Value, ty: Type, signed: bool) -> Value {
        Value(llvm!(LLVMBuildIntCast2(self.raw, value.0, ty.0, signed.into(), c"".as_ptr())))
    }

    /// `zext` or `trunc` to i64.
    pub fn to_i64(&self, value: Value) -> Value {
        self.int_cast(value, self.module.int(64), false)
    }

    /// `icmp ne value, 0`.
    pub fn is_nonzero(&self, value: Value) -> Value {
        let zero = value.ty().null();
        Value(llvm!(LLVMBuildICmp(self.raw, LLVMIntPredicate::LLVMIntNE, value.0, zero.0, c"".as_ptr())))
    }

    /// `memcpy` of `bytes` bytes, both aligned to `align`.
    pub fn copy(&self, to: Value, from: Value, bytes: u64, align: u64) -> Value {
        let bytes = self.module.i64(bytes);
        Value(llvm!(LLVMBuildMemCpy(self.raw, to.0, align as c_uint, from.0, align as c_uint, bytes.0)))
    }

    /// `fence` against the compiler only.
    pub fn compiler_fence(&self) -> Value {
        Value(llvm!(LLVMBuildFence(
            self.raw,
            LLVMAtomicOrdering::LLVMAtomicOrderingSequentiallyConsistent,
            1,
            c"".as_ptr()
        )))
    }

    /// `fence seq_cst`.
    pub fn fence(&self) -> Value {
        Value(llvm!(LLVMBuildFence(
            self.raw,
            LLVMAtomicOrdering::LLVMAtomicOrderingSequentiallyConsistent,
            0,
            c"".as_ptr()
        )))
    }

    /// `br`.
    pub fn branch(&self, to: Block) -> Value {
        Value(llvm!(LLVMBuildBr(self.raw, to.0)))
    }

    /// `br` on a condition that is almost never true.
    pub fn branch_if_unlikely(&self, condition: Value, then: Block, otherwise: Block) -> Value {
        let branch = Value(llvm!(LLVMBuildCondBr(self.raw, condition.0, then.0, otherwise.0)));
        llvm!({
            let i32 = self.module.int(32);
            let string = LLVMMDStringInContext2(self.module.context, c"branch_weights".as_ptr(), 14);
            let mut node =
                [string, LLVMValueAsMetadata(i32.constant(1).0), LLVMValueAsMetadata(i32.constant((1 << 20) - 1).0)];
            let node = LLVMMDNodeInContext2(self.module.context, node.as_mut_ptr(), node.len());
            let kind = LLVMGetMDKindIDInContext(self.module.context, c"prof".as_ptr(), 4);
            LLVMSetMetadata(branch.0, kind, LLVMMetadataAsValue(self.module.context, node));
        });
        branch
    }

    /// `unreachable`.
    pub fn unreachable(&self) -> Value {
        Value(llvm!(LLVMBuildUnreachable(self.raw)))
    }

    /// `ret`, with a value or without.
    pub fn ret(&self, value: Option<Value>) -> Value {
        Value(match value {
            Some(value) => llvm!(LLVMBuildRet(self.raw, value.0)),
            None => llvm!(LLVMBuildRetVoid(self.raw)),
        })
    }

    /// Clones `instruction` here.
    pub fn clone_of(&self, instruction: Value) -> Value {
        let copy = Value(llvm!(LLVMInstructionClone(instruction.0)));
        llvm!(LLVMInsertIntoBuilder(self.raw, copy.0));
        copy
    }

    /// An inline assembly value of the type of `like`.
    pub fn inline_asm(&self, ty: Type, template: &str, constraints: &str) -> Value {
        Value(llvm!(LLVMGetInlineAsm(
            ty.0,
            template.as_ptr().cast(),
            template.len(),
            constraints.as_ptr().cast(),
            constraints.len(),
            1,
            0,
            LLVMInlineAsmDialect::LLVMInlineAsmDialectATT,
            0
        )))
    }
}

/// Whether `attribute` is the enum attribute `name`.
pub fn is_attribute(attribute: LLVMAttributeRef, name: &str) -> bool {
    llvm!(LLVMIsEnumAttribute(attribute) != 0 && LLVMGetEnumAttributeKind(attribute) == attribute_kind(name))
}

/// Splits the block of `instruction` before it: the rest goes to a new block, to which the old one branches.
pub fn split_before(instruction: Value) -> Block {
    Block(llvm!(twin_split_before(instruction.0)))
}

/// One block on all edges from `from` to `to`. None of the former may end in a computed jump.
pub fn split_edges(from: &[Block], to: Block) -> Block {
    let mut from: Vec<LLVMBasicBlockRef> = from.iter().map(|block| block.0).collect();
    Block(llvm!(twin_split_edges(from.as_mut_ptr(), from.len(), to.0)))
}

/// How often each block of `function` runs for one run of the function.
pub fn block_frequencies(function: Value) -> Vec<f64> {
    let mut frequencies = vec![0.0; function.blocks().len()];
    llvm!(twin_block_frequencies(function.0, frequencies.as_mut_ptr()));
    frequencies
}

/// Reduces strength in loops where it pays, by what addresses `home` can form within the reach of `visitor`.
pub fn reduce_strength(module: Module, home: &TargetMachine, visitor: &TargetMachine) {
    llvm!(twin_reduce_strength(module.raw, home.as_mut_ptr(), visitor.as_mut_ptr()));
}

/// For each block of `function` that heads a loop: how many times that can turn at most; 0 if unknown.
pub fn loop_bounds(function: Value) -> Vec<u64> {
    let mut counts = vec![0; function.blocks().len()];
    llvm!(twin_loop_bounds(function.0, counts.as_mut_ptr()));
    counts
}

unsafe extern "C" {
    fn twin_block_frequencies(function: LLVMValueRef, frequencies: *mut f64);
    fn twin_loop_bounds(function: LLVMValueRef, counts: *mut u64);
    fn twin_reduce_strength(
        module: LLVMModuleRef,
        home: target_machine::LLVMTargetMachineRef,
        visitor: target_machine::LLVMTargetMachineRef,
    );
    fn twin_split_before(instruction: LLVMValueRef) -> LLVMBasicBlockRef;
    fn twin_split_edges(from: *mut LLVMBasicBlockRef, count: usize, to: LLVMBasicBlockRef) -> LLVMBasicBlockRef;
}

/// The module with this text, for tests.
#[cfg(test)]
pub fn parse_text<'c>(context: &'c inkwell::context::Context, text: &str) -> inkwell::module::Module<'c> {
    let buffer = inkwell::memory_buffer::MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), "test");
    context.create_module_from_ir(buffer).expect("valid IR")
}
