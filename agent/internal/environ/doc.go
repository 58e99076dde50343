// Package environ answers one question: what does a program see of its environment, and where is it found in there?
package environ
