/* What clang calls for products and quotients of complex numbers (C11 G.5.1). Compiled by Twin, not taken from
 * compiler-rt: how a complex number is returned differs between the ISAs' own conventions. */
#include <math.h>

/* An infinity becomes a 1 with its sign, anything else a 0. */
#define BOX(x) copysign(isinf(x) ? 1 : 0, x)
/* A NaN becomes a 0 with its sign. */
#define ZERO(x) (isnan(x) ? copysign(0, x) : (x))

#define COMPLEX(type, suffix, product, quotient, logb, scalbn, fmax, fabs, copysign) \
type _Complex product(type a, type b, type c, type d) \
{ \
	type x = a * c - b * d, y = a * d + b * c; \
	if (isnan(x) && isnan(y)) { \
		int again = 0; \
		if (isinf(a) || isinf(b)) { \
			a = BOX##suffix(a), b = BOX##suffix(b); \
			c = ZERO##suffix(c), d = ZERO##suffix(d); \
			again = 1; \
		} \
		if (isinf(c) || isinf(d)) { \
			c = BOX##suffix(c), d = BOX##suffix(d); \
			a = ZERO##suffix(a), b = ZERO##suffix(b); \
			again = 1; \
		} \
		if (!again && (isinf(a * c) || isinf(b * d) || isinf(a * d) || isinf(b * c))) { \
			a = ZERO##suffix(a), b = ZERO##suffix(b); \
			c = ZERO##suffix(c), d = ZERO##suffix(d); \
			again = 1; \
		} \
		if (again) { \
			x = (type)INFINITY * (a * c - b * d); \
			y = (type)INFINITY * (a * d + b * c); \
		} \
	} \
	return __builtin_complex(x, y); \
} \
\
type _Complex quotient(type a, type b, type c, type d) \
{ \
	int scale = 0; \
	type log = logb(fmax(fabs(c), fabs(d))); \
	if (isfinite(log)) { \
		scale = log; \
		c = scalbn(c, -scale), d = scalbn(d, -scale); \
	} \
	type norm = c * c + d * d; \
	type x = scalbn((a * c + b * d) / norm, -scale), y = scalbn((b * c - a * d) / norm, -scale); \
	if (isnan(x) && isnan(y)) { \
		if (norm == 0 && (!isnan(a) || !isnan(b))) { \
			x = copysign((type)INFINITY, c) * a; \
			y = copysign((type)INFINITY, c) * b; \
		} else if ((isinf(a) || isinf(b)) && isfinite(c) && isfinite(d)) { \
			a = BOX##suffix(a), b = BOX##suffix(b); \
			x = (type)INFINITY * (a * c + b * d); \
			y = (type)INFINITY * (b * c - a * d); \
		} else if (isinf(log) && log > 0 && isfinite(a) && isfinite(b)) { \
			c = BOX##suffix(c), d = BOX##suffix(d); \
			x = 0 * (a * c + b * d); \
			y = 0 * (b * c - a * d); \
		} \
	} \
	return __builtin_complex(x, y); \
}

#define BOXf(x) copysignf(isinf(x) ? 1 : 0, x)
#define ZEROf(x) (isnan(x) ? copysignf(0, x) : (x))
#define BOXl(x) copysignl(isinf(x) ? 1 : 0, x)
#define ZEROl(x) (isnan(x) ? copysignl(0, x) : (x))

COMPLEX(float, f, __mulsc3, __divsc3, logbf, scalbnf, fmaxf, fabsf, copysignf)
COMPLEX(double, , __muldc3, __divdc3, logb, scalbn, fmax, fabs, copysign)
COMPLEX(long double, l, __multc3, __divtc3, logbl, scalbnl, fmaxl, fabsl, copysignl)
