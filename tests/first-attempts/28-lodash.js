// fails: ReferenceError
// hint: packages are not installed here
import _ from "lodash";
_.sum([1, 2])
