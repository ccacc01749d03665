double half = 0.5;
int other(int n) { return (int)(half * n); }
int more(int *n) { return *n += other(*n); }
