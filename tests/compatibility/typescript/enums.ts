enum A { X, Y = 5, Z, S = "s" }
const enum B { One = 1 << 0, Two = 1 << 1, Both = One | Two }
enum Computed { Length = "abc".length, Next = Length + 1 }
enum A { W = 9 }
declare enum Ambient { Gone }
[A.X, A[5], A.Z, A.S, B.Both, Computed.Length, Computed.Next, A.W].join() === "0,Y,6,s,3,3,4,9";
